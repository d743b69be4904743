//! The extension's tables, found as its members and not by a name that anybody may give: the oids of
//! what `CREATE EXTENSION` made. Nothing that a caller set up has a say in it.

use core::{cell::Cell, ffi::CStr};

use pgrx::pg_sys::{self, Oid};
use twofapi_crypto_core::Error;

/// Not among pgrx's bindings. Numbers of the catalogue never change.
const DEPEND: Oid = Oid::from_u32(2608);
const DEPEND_BY_REFERENCE: Oid = Oid::from_u32(2674);
const DEPEND_REFERENCED_CLASS: i16 = 4;
const DEPEND_REFERENCED_OBJECT: i16 = 5;
const EXTENSION_OID: i16 = 1;
const DEPENDS_AS_MEMBER: u8 = b'e';

#[repr(C)]
struct Depend {
    class: Oid,
    object: Oid,
    column: i32,
    referenced_class: Oid,
    referenced_object: Oid,
    referenced_column: i32,
    kind: u8,
}

/// Which oids they have in this database.
#[derive(Clone, Copy)]
pub(crate) struct Members {
    /// Who made the extension: a superuser, and the owner of its tables.
    pub(crate) owner: Oid,
    pub(crate) clients: Oid,
    pub(crate) audit_log: Oid,
    pub(crate) audit_log_id: Oid,
    pub(crate) pending_links: Oid,
}

thread_local! {
    static FOUND: Cell<Option<Members>> = const { Cell::new(None) };
}

/// The members, or an error that says what is missing. Kept until one of them is changed.
pub(crate) fn find() -> Result<Members, Error> {
    if let Some(members) = FOUND.get() {
        return Ok(members);
    }
    let members = look()?;
    FOUND.set(Some(members));
    Ok(members)
}

/// Whether the extension is in this database at all.
pub(crate) fn extension_is_there() -> bool {
    // SAFETY: a look-up in the catalogue, inside a transaction.
    unsafe { pg_sys::get_extension_oid(EXTENSION.as_ptr(), true) != pg_sys::InvalidOid }
}

/// A table was changed, or all that is known of them is to be forgotten.
pub(crate) fn relation_changed(relation: Oid) {
    let ours =
        |m: Members| [m.clients, m.audit_log, m.audit_log_id, m.pending_links].contains(&relation);
    if relation == pg_sys::InvalidOid || FOUND.get().is_some_and(ours) {
        FOUND.set(None);
    }
}

const EXTENSION: &CStr = c"pg_2fapi";

fn missing(name: &str) -> Error {
    Error::Unavailable {
        reason: format!(
            "twofapi.{name} of the extension pg_2fapi is missing in this database; create the \
             extension, or give the table its name back"
        ),
    }
}

fn look() -> Result<Members, Error> {
    // SAFETY: look-ups in the catalogue, inside a transaction.
    unsafe {
        let extension = pg_sys::get_extension_oid(EXTENSION.as_ptr(), true);
        if extension == pg_sys::InvalidOid {
            return Err(missing("clients"));
        }
        let owner = owner(extension).ok_or_else(|| missing("clients"))?;
        let mut members = Members {
            owner,
            clients: pg_sys::InvalidOid,
            audit_log: pg_sys::InvalidOid,
            audit_log_id: pg_sys::InvalidOid,
            pending_links: pg_sys::InvalidOid,
        };
        for relation in relations(extension) {
            let name = pg_sys::get_rel_name(relation);
            if name.is_null() {
                continue;
            }
            match CStr::from_ptr(name).to_bytes() {
                b"clients" => members.clients = relation,
                b"audit_log" => members.audit_log = relation,
                b"audit_log_id_seq" => members.audit_log_id = relation,
                b"pending_links" => members.pending_links = relation,
                _ => {}
            }
            pg_sys::pfree(name.cast());
        }
        if members.clients == pg_sys::InvalidOid {
            return Err(missing("clients"));
        }
        Ok(members)
    }
}

/// # Safety
/// Inside a transaction.
unsafe fn owner(extension: Oid) -> Option<Oid> {
    // SAFETY: a systable scan as the server's own code does it.
    unsafe {
        let mut key = pg_sys::ScanKeyData::default();
        equals(&mut key, EXTENSION_OID, extension);
        let catalogue =
            pg_sys::table_open(pg_sys::ExtensionRelationId, pg_sys::AccessShareLock as i32);
        let scan = pg_sys::systable_beginscan(
            catalogue,
            Oid::from_u32(pg_sys::ExtensionOidIndexId),
            true,
            core::ptr::null_mut(),
            1,
            &raw mut key,
        );
        let tuple = pg_sys::systable_getnext(scan);
        let owner = (!tuple.is_null())
            .then(|| (*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_extension>()).extowner);
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(catalogue, pg_sys::AccessShareLock as i32);
        owner
    }
}

/// The relations among an extension's members.
///
/// # Safety
/// Inside a transaction.
unsafe fn relations(extension: Oid) -> Vec<Oid> {
    let mut found = Vec::new();
    // SAFETY: a systable scan as the server's own code does it; the catalogue's rows begin with the
    // columns of `Depend`, none of them NULL.
    unsafe {
        let mut keys = [pg_sys::ScanKeyData::default(); 2];
        equals(
            &mut keys[0],
            DEPEND_REFERENCED_CLASS,
            pg_sys::ExtensionRelationId,
        );
        equals(&mut keys[1], DEPEND_REFERENCED_OBJECT, extension);
        let catalogue = pg_sys::table_open(DEPEND, pg_sys::AccessShareLock as i32);
        let scan = pg_sys::systable_beginscan(
            catalogue,
            DEPEND_BY_REFERENCE,
            true,
            core::ptr::null_mut(),
            2,
            keys.as_mut_ptr(),
        );
        loop {
            let tuple = pg_sys::systable_getnext(scan);
            if tuple.is_null() {
                break;
            }
            let depend = &*pg_sys::GETSTRUCT(tuple).cast::<Depend>();
            if depend.kind == DEPENDS_AS_MEMBER && depend.class == pg_sys::RelationRelationId {
                found.push(depend.object);
            }
        }
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(catalogue, pg_sys::AccessShareLock as i32);
    }
    found
}

/// # Safety
/// None of its own; the server's function only fills the key in.
unsafe fn equals(key: &mut pg_sys::ScanKeyData, column: i16, oid: Oid) {
    // SAFETY: a key to be filled in.
    unsafe {
        pg_sys::ScanKeyInit(
            key,
            column,
            pg_sys::BTEqualStrategyNumber as u16,
            Oid::from_u32(pg_sys::F_OIDEQ),
            pg_sys::Datum::from(oid),
        );
    }
}
