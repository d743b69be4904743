//! Where the server calls us: ends of transactions and utility statements.

use core::ffi::{CStr, c_char, c_void};

use pgrx::{PgLogLevel, PgSqlErrorCode, ereport, pg_guard, pg_sys};

use crate::{audit, executor, postings, session, statements};

static mut PREVIOUS_UTILITY: pg_sys::ProcessUtility_hook_type = None;

/// To be called once, from `_PG_init` while the postmaster preloads libraries.
pub(crate) fn install() {
    // SAFETY: the postmaster has one thread; backends inherit what is set here.
    unsafe {
        pg_sys::RegisterXactCallback(Some(transaction_ends), core::ptr::null_mut());
        pg_sys::RegisterSubXactCallback(Some(subtransaction_ends), core::ptr::null_mut());
        PREVIOUS_UTILITY = pg_sys::ProcessUtility_hook;
        pg_sys::ProcessUtility_hook = Some(utility);
    }
}

/// Only the `PRE_` events may fail; a failure in the others would take the server down.
#[pg_guard]
unsafe extern "C-unwind" fn transaction_ends(
    event: pg_sys::XactEvent::Type,
    _argument: *mut c_void,
) {
    match event {
        pg_sys::XactEvent::XACT_EVENT_COMMIT => {
            postings::transaction_committed();
            session::transaction_committed();
            statements::transaction_committed();
        }
        pg_sys::XactEvent::XACT_EVENT_ABORT | pg_sys::XactEvent::XACT_EVENT_PREPARE => {
            postings::transaction_aborted();
            session::transaction_aborted();
            statements::transaction_aborted();
        }
        pg_sys::XactEvent::XACT_EVENT_PRE_PREPARE if postings::any() => {
            // COMMIT PREPARED may come from another connection, which knows nothing to post.
            ereport!(
                PgLogLevel::ERROR,
                PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
                "cannot PREPARE a transaction that has changed 2FApi clients",
                "Sessions elsewhere would not learn of the change when it is committed."
            );
        }
        _ => {}
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn subtransaction_ends(
    event: pg_sys::SubXactEvent::Type,
    id: pg_sys::SubTransactionId,
    parent: pg_sys::SubTransactionId,
    _argument: *mut c_void,
) {
    match event {
        pg_sys::SubXactEvent::SUBXACT_EVENT_COMMIT_SUB => {
            postings::subtransaction_committed(id, parent);
            session::subtransaction_committed(id, parent);
        }
        pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB => {
            postings::subtransaction_aborted(id);
            session::subtransaction_aborted(id);
            statements::subtransaction_aborted(id);
        }
        _ => {}
    }
}

unsafe extern "C-unwind" {
    /// As the server exports it. pgrx would catch the errors of statements that run inside and raise
    /// them again, without their position, constraint and other fields.
    fn standard_ProcessUtility(
        statement: *mut pg_sys::PlannedStmt,
        query: *const c_char,
        read_only_tree: bool,
        context: pg_sys::ProcessUtilityContext::Type,
        params: pg_sys::ParamListInfo,
        environment: *mut pg_sys::QueryEnvironment,
        destination: *mut pg_sys::DestReceiver,
        completion: *mut pg_sys::QueryCompletion,
    );
}

/// Statements by which a connection is handed to somebody else end the session, before they run.
///
/// Not guarded: what runs inside may leave by the server's own jump, which crosses this frame. It
/// holds nothing then that would have to be dropped, and nothing here panics.
unsafe extern "C-unwind" fn utility(
    statement: *mut pg_sys::PlannedStmt,
    query: *const c_char,
    read_only_tree: bool,
    context: pg_sys::ProcessUtilityContext::Type,
    params: pg_sys::ParamListInfo,
    environment: *mut pg_sys::QueryEnvironment,
    destination: *mut pg_sys::DestReceiver,
    completion: *mut pg_sys::QueryCompletion,
) {
    // SAFETY: the server hands over a planned utility statement; the hooks were set once.
    unsafe {
        if hands_the_connection_over((*statement).utilityStmt) {
            session::leave();
        }
        let depth = executor::enter_utility();
        let dropped = database_to_be_dropped((*statement).utilityStmt);
        let next = PREVIOUS_UTILITY.unwrap_or(standard_ProcessUtility);
        next(
            statement,
            query,
            read_only_tree,
            context,
            params,
            environment,
            destination,
            completion,
        );
        executor::leave(depth);
        // It has been committed by now.
        if dropped != pg_sys::InvalidOid {
            audit::database_dropped(dropped.to_u32());
        }
    }
}

/// The database that DROP DATABASE names, if it is one.
///
/// # Safety
/// The node must be one that the server made.
unsafe fn database_to_be_dropped(node: *mut pg_sys::Node) -> pg_sys::Oid {
    // SAFETY: the tag says which type the node is; names end in zero.
    unsafe {
        match (*node).type_ {
            pg_sys::NodeTag::T_DropdbStmt => {
                pg_sys::get_database_oid((*node.cast::<pg_sys::DropdbStmt>()).dbname, true)
            }
            _ => pg_sys::InvalidOid,
        }
    }
}

/// DISCARD ALL, RESET ALL, and SET or RESET SESSION AUTHORIZATION.
///
/// # Safety
/// The node must be one that the server made.
unsafe fn hands_the_connection_over(node: *mut pg_sys::Node) -> bool {
    // SAFETY: the tag says which type the node is; names end in zero.
    unsafe {
        match (*node).type_ {
            pg_sys::NodeTag::T_DiscardStmt => {
                (*node.cast::<pg_sys::DiscardStmt>()).target == pg_sys::DiscardMode::DISCARD_ALL
            }
            pg_sys::NodeTag::T_VariableSetStmt => {
                let set = node.cast::<pg_sys::VariableSetStmt>();
                (*set).kind == pg_sys::VariableSetKind::VAR_RESET_ALL
                    || (!(*set).name.is_null()
                        && CStr::from_ptr((*set).name)
                            .to_bytes()
                            .eq_ignore_ascii_case(b"session_authorization"))
            }
            _ => false,
        }
    }
}
