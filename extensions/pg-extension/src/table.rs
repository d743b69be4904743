//! A table of the extension, opened by its oid and looked over before any of its rows is read: it must
//! be the owner's still, a plain table, and of the columns that the code reads.

use core::ffi::CStr;

use pgrx::{
    pg_sys::{self, Oid},
    tupdesc::PgTupleDesc,
};
use twofapi_crypto_core::Error;

/// A column that must be where the extension's script put it.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) of: Oid,
    /// Equal text is equal bytes.
    pub(crate) bytewise: bool,
}

/// A column of a type.
pub(crate) const fn column(name: &'static str, of: Oid) -> Column {
    Column {
        name,
        of,
        bytewise: false,
    }
}

/// An open table; closing it is the transaction's affair if an error comes between.
pub(crate) struct Table(pg_sys::Relation);

impl Table {
    /// Opens a table with a lock, which is kept until the end of the transaction unless the table is
    /// closed by [`Table::close`]. What was altered is an error and not a guess.
    pub(crate) fn open(
        name: &str,
        oid: Oid,
        owner: Oid,
        columns: &[Column],
        lock: u32,
    ) -> Result<Self, Error> {
        // SAFETY: inside a transaction; null when the table was dropped meanwhile.
        let table = unsafe { pg_sys::try_table_open(oid, lock as i32) };
        if table.is_null() {
            return Err(Error::Unavailable {
                reason: format!("twofapi.{name} was dropped"),
            });
        }
        let table = Self(table);
        match table.altered(owner, columns) {
            None => Ok(table),
            Some(what) => {
                table.close(lock);
                Err(Error::Unavailable {
                    reason: format!(
                        "twofapi.{name} was altered: {what}; make it again as the extension \
                         makes it"
                    ),
                })
            }
        }
    }

    pub(crate) const fn relation(&self) -> pg_sys::Relation {
        self.0
    }

    pub(crate) fn oid(&self) -> Oid {
        // SAFETY: an open relation has an id.
        unsafe { (*self.0).rd_id }
    }

    /// Where a column is, from 0, if there is one of this name and type.
    pub(crate) fn place_of(&self, column: &Column) -> Option<usize> {
        // SAFETY: the descriptor lives as long as the relation is open.
        let shape = unsafe { PgTupleDesc::from_pg_unchecked((*self.0).rd_att) };
        shape.iter().position(|found| {
            !found.attisdropped && found.name() == column.name && found.atttypid == column.of
        })
    }

    /// Closes it and gives up the lock.
    pub(crate) fn close(self, lock: u32) {
        // SAFETY: opened with this lock by `open`, and closed once.
        unsafe { pg_sys::table_close(self.0, lock as i32) }
    }

    /// Closes it and keeps the lock until the end of the transaction.
    pub(crate) fn close_locked(self) {
        self.close(pg_sys::NoLock);
    }

    /// Statements run as a role that policies hold for, and would pass rows over.
    pub(crate) fn must_have_no_policies(&self, name: &str) -> Result<(), Error> {
        // SAFETY: an open relation has its entry of the catalogue.
        match unsafe { (*(*self.0).rd_rel).relrowsecurity } {
            false => Ok(()),
            true => Err(Error::Unavailable {
                reason: format!(
                    "row-level security on twofapi.{name} keeps the extension from writing there; \
                     ALTER TABLE twofapi.{name} DISABLE ROW LEVEL SECURITY"
                ),
            }),
        }
    }

    fn altered(&self, owner: Oid, columns: &[Column]) -> Option<String> {
        // SAFETY: an open relation has its entry of the catalogue and its descriptor, which live as
        // long as it is open.
        let (class, shape) = unsafe {
            (
                &*(*self.0).rd_rel,
                PgTupleDesc::from_pg_unchecked((*self.0).rd_att),
            )
        };
        if class.relkind as u8 != pg_sys::RELKIND_RELATION {
            return Some("it is no plain table".into());
        }
        if class.relam != pg_sys::HEAP_TABLE_AM_OID {
            return Some("its access method is not heap".into());
        }
        if class.relowner != owner {
            return Some("it has another owner than the extension".into());
        }
        let wrong = columns.iter().enumerate().find(|(n, expected)| {
            shape.get(*n).is_none_or(|found| {
                found.attisdropped
                    || found.atttypid != expected.of
                    || found.name() != expected.name
                    || (expected.bytewise && found.attcollation != pg_sys::C_COLLATION_OID)
            })
        });
        wrong.map(|(n, expected)| {
            format!(
                "column {} is no longer {} of its type",
                n + 1,
                expected.name
            )
        })
    }

    /// The index of the primary key, if it is one over the first column alone.
    pub(crate) fn primary_key_on_first_column(&self) -> Option<Oid> {
        // SAFETY: an open relation, inside a transaction; the index is opened and closed, and its
        // entry of the catalogue lives as long as it is open.
        unsafe {
            let index = primary_key(self.0);
            if index == pg_sys::InvalidOid {
                return None;
            }
            let opened = pg_sys::index_open(index, pg_sys::AccessShareLock as i32);
            let entry = &*(*opened).rd_index;
            let good = entry.indisvalid
                && entry.indisunique
                && entry.indimmediate
                && entry.indnkeyatts == 1
                && entry.indkey.values.as_slice(1) == [1]
                && (*(*opened).rd_rel).relam == pg_sys::BTREE_AM_OID
                && *(*opened).rd_indcollation == pg_sys::C_COLLATION_OID;
            pg_sys::index_close(opened, pg_sys::AccessShareLock as i32);
            good.then_some(index)
        }
    }

    /// Its name in SQL. While its lock is held nobody renames it.
    pub(crate) fn quoted(&self) -> String {
        // SAFETY: an open relation; the server answers strings that end in zero, in the memory of the
        // transaction.
        unsafe {
            let class = (*self.0).rd_rel;
            let schema = pg_sys::get_namespace_name((*class).relnamespace);
            let quoted = pg_sys::quote_qualified_identifier(
                schema,
                (&raw const (*class).relname.data).cast(),
            );
            CStr::from_ptr(quoted).to_string_lossy().into_owned()
        }
    }
}

/// # Safety
/// The relation must be open.
unsafe fn primary_key(relation: pg_sys::Relation) -> Oid {
    // SAFETY: the caller's.
    unsafe {
        #[cfg(feature = "pg18")]
        return pg_sys::RelationGetPrimaryKeyIndex(relation, false);
        #[cfg(not(feature = "pg18"))]
        pg_sys::RelationGetPrimaryKeyIndex(relation)
    }
}
