//! The columns of `twofapi.clients`: where they are, a row as a record, and a record as what they say.

use core::cell::Cell;

use pgrx::{
    datum::DatumWithOid,
    pg_sys::{self, Datum, Oid},
    prelude::FromDatum,
};
use twofapi_crypto_core::{
    Attributes, Claims, CredentialName, EnrolledCredential, Error, Record, Scopes, Source, Sources,
    SuiteId,
};

use crate::{
    clock, definition,
    rules::{Row, RowVersion, further, lineage::Lineage},
    sql,
    table::{Column, Table, column},
};

/// The first ones, which every version has in these places.
pub(crate) const FIRST: [Column; 4] = [
    Column {
        bytewise: true,
        ..column("client_id", pg_sys::TEXTOID)
    },
    column("commitment", pg_sys::BYTEAOID),
    column("commitment_version", pg_sys::INT4OID),
    column("status", pg_sys::TEXTOID),
];

/// Those of version 1.1, which are behind them wherever an upgrade put them.
const BEHIND: [Column; 15] = [
    column("generation", pg_sys::INT8OID),
    column("credential_name", pg_sys::TEXTOID),
    column("credential_since", pg_sys::INT4OID),
    column("credential_created", pg_sys::TIMESTAMPTZOID),
    column("credential_expires_at", pg_sys::TIMESTAMPTZOID),
    column("credential_suite", pg_sys::INT2OID),
    column("further_credentials", pg_sys::JSONOID),
    column("expires_at", pg_sys::TIMESTAMPTZOID),
    column("scopes", pg_sys::TEXTARRAYOID),
    column("claims", pg_sys::JSONOID),
    column("sources", pg_sys::TEXTARRAYOID),
    column("requests_per_minute", pg_sys::INT8OID),
    column("tenant", pg_sys::TEXTOID),
    column("tokens_from", pg_sys::TIMESTAMPTZOID),
    column("lineage", pg_sys::BYTEAOID),
];

/// Where they are, from 0; `None` in a table of version 1.0.
type Places = Option<[usize; BEHIND.len()]>;

/// Which columns an open table has.
#[derive(Clone, Copy)]
pub(crate) struct Layout(Places);

thread_local! {
    /// The layout that was found last, of which table, and how often its definition had changed by then.
    static FOUND: Cell<(Oid, u64, Layout)> = const { Cell::new((pg_sys::InvalidOid, 0, Layout(None))) };
}

impl Layout {
    /// That of the open table of clients.
    pub(crate) fn of(table: &Table) -> Result<Self, Error> {
        let oid = table.oid();
        // First, so that every change from here on is counted.
        definition::clients_are_read_from(oid);
        let definition = definition::of_clients();
        let (found_in, found_at, layout) = FOUND.get();
        if (found_in, found_at) == (oid, definition) {
            return Ok(layout);
        }
        let found = BEHIND.each_ref().map(|column| table.place_of(column));
        let layout = match found.iter().flatten().count() {
            0 => Self(None),
            _ => Self(Some(all(found)?)),
        };
        FOUND.set((oid, definition, layout));
        Ok(layout)
    }
}

fn all(found: [Option<usize>; BEHIND.len()]) -> Result<[usize; BEHIND.len()], Error> {
    if let Some(missing) = found.iter().position(Option::is_none) {
        return Err(Error::Unavailable {
            reason: format!(
                "twofapi.clients was altered: column {} is no longer there, or not of its type; \
                 make it again as the extension makes it",
                BEHIND[missing].name
            ),
        });
    }
    Ok(found.map(Option::unwrap_or_default))
}

/// The values of a row, in the order of the table's columns.
struct Values {
    values: Vec<Datum>,
    nulls: Vec<bool>,
}

impl Values {
    /// # Safety
    /// The column at this place is of a type that `T` reads.
    unsafe fn get<T: FromDatum>(&self, at: usize) -> Option<T> {
        // SAFETY: the caller's.
        unsafe { T::from_datum(*self.values.get(at)?, *self.nulls.get(at)?) }
    }
}

/// The row of a client; `None` where it is damaged.
///
/// # Safety
/// The tuple must be one of the table that the descriptor describes, which has this layout.
pub(crate) unsafe fn read(
    tuple: pg_sys::HeapTuple,
    descriptor: pg_sys::TupleDesc,
    layout: Layout,
) -> Option<Row> {
    // SAFETY: both arrays have as many places as the table has columns; the layout says of which types
    // those are that are read.
    unsafe {
        let columns = usize::try_from((*descriptor).natts)
            .unwrap_or(0)
            .max(FIRST.len());
        let mut row = Values {
            values: vec![Datum::null(); columns],
            nulls: vec![true; columns],
        };
        pg_sys::heap_deform_tuple(
            tuple,
            descriptor,
            row.values.as_mut_ptr(),
            row.nulls.as_mut_ptr(),
        );
        let at = (*tuple).t_self;
        let version = RowVersion {
            written_by: (*(*tuple).t_data).t_choice.t_heap.t_xmin.into_inner(),
            block: u32::from(at.ip_blkid.bi_hi) << 16 | u32::from(at.ip_blkid.bi_lo),
            place: at.ip_posid,
        };
        parse(&row, version, layout)
    }
}

/// # Safety
/// The values are those of a row of a table of this layout.
unsafe fn parse(row: &Values, version: RowVersion, Layout(places): Layout) -> Option<Row> {
    // SAFETY: each column is read as what the layout found it to be.
    unsafe {
        let commitment = <[u8; 32]>::try_from(row.get::<Vec<u8>>(1)?).ok()?;
        let record_version = u32::try_from(row.get::<i32>(2)?).ok()?;
        let status = row.get::<String>(3)?.parse().ok()?;
        let Some(places) = places else {
            let unnamed = CredentialName::unnamed();
            let only = EnrolledCredential::from_parts(
                commitment,
                unnamed,
                0,
                record_version,
                SuiteId::Sigma,
                None,
            );
            let credentials = vec![only.ok()?];
            let said = Attributes::default();
            return Some(Row {
                record: Record::from_parts(record_version, 0, status, credentials, said).ok()?,
                origin: version,
                tokens_from: 0,
            });
        };
        let [
            generation,
            name,
            since,
            created,
            credential_expires_at,
            suite,
            further,
            expires_at,
            scopes,
            claims,
            sources,
            requests,
            tenant,
            tokens_from,
            lineage,
        ] = places;
        let name = match row.get::<String>(name) {
            None => CredentialName::unnamed(),
            Some(name) => name.parse().ok()?,
        };
        let since = match row.get::<i32>(since) {
            None => record_version,
            Some(since) => u32::try_from(since).ok()?,
        };
        let first = EnrolledCredential::from_parts(
            commitment,
            name,
            row.get::<i64>(created).map_or(0, clock::from_number),
            since,
            SuiteId::from_number(u8::try_from(row.get::<i16>(suite)?).ok()?).ok()?,
            expiry(row.get(credential_expires_at)),
        );
        let mut credentials = vec![first.ok()?];
        if let Some(further) = row.get::<String>(further) {
            credentials.extend(further::read(&further)?);
        }
        let requests = match row.get::<i64>(requests) {
            None => None,
            Some(requests) => Some(u32::try_from(requests).ok()?.try_into().ok()?),
        };
        let said = Attributes {
            expires_at: expiry(row.get(expires_at)),
            scopes: match row.get(scopes) {
                None => Scopes::default(),
                Some(given) => self::scopes(&given)?.ok()?,
            },
            claims: match row.get::<String>(claims) {
                None => Claims::default(),
                Some(claims) => Claims::parse(&claims).ok()?,
            },
            sources: match row.get(sources) {
                None => Sources::default(),
                Some(given) => self::sources(&given)?.ok()?,
            },
            requests_per_minute: requests,
            tenant: match row.get::<String>(tenant) {
                None => None,
                Some(tenant) => Some(tenant.parse().ok()?),
            },
        };
        let generation = u32::try_from(row.get::<i64>(generation)?).ok()?;
        let record = Record::from_parts(record_version, generation, status, credentials, said);
        let noted = row.get::<Vec<u8>>(lineage);
        Some(Row {
            record: record.ok()?,
            origin: Lineage::origin(noted.as_deref(), system(), version),
            // Never earlier than the moment itself.
            tokens_from: row
                .get::<i64>(tokens_from)
                .map_or(0, |at| clock::from_number(at).saturating_add(1)),
        })
    }
}

/// A list of texts, none of them NULL.
pub(crate) type Texts = Vec<Option<String>>;

/// The scopes of a list of texts; `None` where one of them is NULL.
pub(crate) fn scopes(given: &Texts) -> Option<Result<Scopes, Error>> {
    let texts: Option<Vec<_>> = given.iter().map(Option::as_deref).collect();
    texts.map(Scopes::new)
}

/// The allowed sources of a list of texts; `None` where one of them is NULL.
pub(crate) fn sources(given: &Texts) -> Option<Result<Sources, Error>> {
    let texts: Option<Vec<_>> = given.iter().map(Option::as_deref).collect();
    let read = |texts: Vec<&str>| {
        let sources: Result<Vec<Source>, _> = texts.into_iter().map(str::parse).collect();
        Sources::new(sources?)
    };
    texts.map(read)
}

/// Never where the column says nothing, or that it never comes.
pub(crate) fn expiry(timestamp: Option<i64>) -> Option<u64> {
    timestamp
        .filter(|at| *at != i64::MAX)
        .map(|at| clock::from_number(at).max(1))
}

fn system() -> u64 {
    // SAFETY: a number in the server's memory that never changes.
    unsafe { pg_sys::GetSystemIdentifier() }
}

/// What the columns are to say, by their names.
pub(crate) type Said<'a> = Vec<(&'static str, DatumWithOid<'a>)>;

/// What the columns are to say of a record. In a table of version 1.0, only what that has columns for.
pub(crate) fn say<'a>(record: &'a Record, Layout(places): Layout) -> Result<Said<'a>, Error> {
    let first = record.first();
    let mut said: Said<'a> = vec![
        ("commitment", sql::bytea(first.commitment())),
        (
            "commitment_version",
            DatumWithOid::from(integer(record.version())?),
        ),
        ("status", sql::text(record.status().as_str())),
    ];
    if places.is_none() {
        let alone = record.credentials().len() == 1 && first.expires_at().is_none();
        return match alone && record.attributes().is_none() {
            true => Ok(said),
            false => Err(Error::Unavailable {
                reason: "twofapi.clients is of version 1.0; ALTER EXTENSION pg_2fapi UPDATE".into(),
            }),
        };
    }
    let none = Attributes::default();
    let attributes = record.attributes().unwrap_or(&none);
    let claims = attributes.claims.as_str();
    said.extend([
        (
            "generation",
            DatumWithOid::from(i64::from(record.generation())),
        ),
        ("credential_name", sql::text(first.name().as_str())),
        (
            "credential_since",
            DatumWithOid::from(integer(first.since())?),
        ),
        (
            "credential_created",
            timestamp(Some(first.created()).filter(|at| *at != 0)),
        ),
        ("credential_expires_at", timestamp(first.expires_at())),
        (
            "credential_suite",
            DatumWithOid::from(i16::from(first.suite().number())),
        ),
        (
            "further_credentials",
            json(further::write(&record.credentials()[1..])),
        ),
        ("expires_at", timestamp(attributes.expires_at)),
        ("scopes", texts(attributes.scopes.iter().map(str::to_owned))),
        (
            "claims",
            json((!claims.is_empty()).then(|| claims.to_owned())),
        ),
        (
            "sources",
            texts(
                attributes
                    .sources
                    .as_slice()
                    .iter()
                    .map(ToString::to_string),
            ),
        ),
        (
            "requests_per_minute",
            match attributes.requests_per_minute {
                None => DatumWithOid::null_oid(pg_sys::INT8OID),
                Some(requests) => DatumWithOid::from(i64::from(requests.get())),
            },
        ),
        (
            "tenant",
            match &attributes.tenant {
                None => DatumWithOid::null_oid(pg_sys::TEXTOID),
                Some(tenant) => DatumWithOid::from(tenant.as_str()),
            },
        ),
    ]);
    Ok(said)
}

/// What the columns are to say besides when a row is changed into this record by a function of the
/// extension.
pub(crate) fn say_changed(before: &Row, record: &Record, Layout(places): Layout) -> Said<'static> {
    if places.is_none() {
        return Vec::new();
    }
    // SAFETY: inside a transaction that may write, of which this is the number from here on.
    let written_by = unsafe { pg_sys::GetCurrentTransactionId() }.into_inner();
    let note = Lineage {
        system: system(),
        written_by,
        origin: before.origin,
    };
    // SAFETY: bytes make a bytea.
    let note = unsafe { DatumWithOid::new(note.to_bytes().to_vec(), pg_sys::BYTEAOID) };
    let mut said = vec![("lineage", note)];
    if before.record.generation() != record.generation() {
        said.push(("tokens_from", timestamp(Some(clock::unix_seconds()))));
    }
    said
}

/// Versions come from such a column and go up by one.
pub(crate) fn integer(number: u32) -> Result<i32, Error> {
    i32::try_from(number).map_err(|_| Error::Unavailable {
        reason: "this client has used up its versions".into(),
    })
}

fn timestamp(unix_seconds: Option<u64>) -> DatumWithOid<'static> {
    match unix_seconds.map(clock::to_number) {
        None => DatumWithOid::null_oid(pg_sys::TIMESTAMPTZOID),
        // SAFETY: the server keeps a timestamp as such a number.
        Some(at) => unsafe { DatumWithOid::new(at, pg_sys::TIMESTAMPTZOID) },
    }
}

fn json(text: Option<String>) -> DatumWithOid<'static> {
    match text {
        None => DatumWithOid::null_oid(pg_sys::JSONOID),
        // SAFETY: the server keeps JSON as the text that it is.
        Some(text) => unsafe { DatumWithOid::new(text, pg_sys::JSONOID) },
    }
}

fn texts(texts: impl Iterator<Item = String>) -> DatumWithOid<'static> {
    let texts: Vec<String> = texts.collect();
    match texts.is_empty() {
        true => DatumWithOid::null_oid(pg_sys::TEXTARRAYOID),
        false => DatumWithOid::from(texts),
    }
}
