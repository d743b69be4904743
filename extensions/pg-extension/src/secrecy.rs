//! Proofs and tokens that a statement holds as literals, or that are its parameters, are kept out of the
//! server's log and out of `pg_stat_activity`, as far as that is ours to do.

use core::{
    cell::RefCell,
    ffi::{CStr, c_char},
};

use pgrx::{PgLogLevel, pg_sys};

use crate::{errors, rules::mask};

static mut PREVIOUS_LOG: pg_sys::emit_log_hook_type = None;
static mut PREVIOUS_ANALYZE: pg_sys::post_parse_analyze_hook_type = None;

thread_local! {
    /// The running statement with its proofs overwritten, which the server was given in its place. Another
    /// one takes its place only when the server has another statement.
    static SHOWN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// To be called once, from `_PG_init` while the postmaster preloads libraries.
pub(crate) fn install() {
    // SAFETY: the postmaster has one thread; backends inherit what is set here.
    unsafe {
        PREVIOUS_LOG = pg_sys::emit_log_hook;
        pg_sys::emit_log_hook = Some(log);
        PREVIOUS_ANALYZE = pg_sys::post_parse_analyze_hook;
        pg_sys::post_parse_analyze_hook = Some(analyzed);
    }
}

unsafe extern "C-unwind" {
    /// As the server exports it. It raises no errors.
    fn pgstat_report_activity(state: pg_sys::BackendState::Type, text: *const c_char);
}

/// Gives the server the statement without its proofs, to be shown in its log and to other connections.
/// To be called as soon as a statement is seen, and again whenever the server may have shown it anew.
pub(crate) fn hide_proofs_of_the_statement() {
    // SAFETY: the server's text ends in zero and stays for as long as the statement runs, and so does
    // ours, which takes its place: see `SHOWN`.
    unsafe {
        let text = pg_sys::debug_query_string;
        if text.is_null() {
            return;
        }
        let Some(mut masked) = mask::masked(CStr::from_ptr(text).to_bytes()) else {
            return;
        };
        masked.push(0);
        let shown = SHOWN.with(|shown| {
            shown.try_borrow_mut().ok().map(|mut shown| {
                *shown = masked;
                shown.as_ptr()
            })
        });
        if let Some(shown) = shown {
            pg_sys::debug_query_string = shown.cast();
            pgstat_report_activity(pg_sys::BackendState::STATE_RUNNING, shown.cast());
        }
    }
}

/// Not guarded: nothing that is called here raises an error or panics, and what the server goes on to
/// do with the error it does itself.
unsafe extern "C-unwind" fn log(error: *mut pg_sys::ErrorData) {
    // SAFETY: the server hands over the error that it is about to report, whose texts are its own
    // copies and end in zero; the hook was set once.
    unsafe {
        hide_proofs_of_the_statement();
        let texts = [
            (*error).message,
            (*error).detail,
            (*error).detail_log,
            (*error).hint,
            (*error).context,
            (*error).internalquery,
        ];
        for text in texts {
            if !text.is_null() {
                let len = CStr::from_ptr(text).count_bytes();
                mask::mask(core::slice::from_raw_parts_mut(text.cast(), len));
            }
        }
        // What we refused may hold a proof in any form, in the statement or where it came from.
        if (*error).elevel >= PgLogLevel::ERROR as i32
            && !(*error).filename.is_null()
            && errors::are_raised_in(CStr::from_ptr((*error).filename))
        {
            (*error).hide_stmt = true;
            (*error).hide_ctx = true;
        }
        if let Some(previous) = PREVIOUS_LOG {
            previous(error);
        }
    }
}

/// Not guarded, for the reason that `log` is not.
unsafe extern "C-unwind" fn analyzed(
    state: *mut pg_sys::ParseState,
    query: *mut pg_sys::Query,
    jumble: *mut pg_sys::JumbleState,
) {
    hide_proofs_of_the_statement();
    // SAFETY: the hook was set once.
    unsafe {
        if let Some(previous) = PREVIOUS_ANALYZE {
            previous(state, query, jumble);
        }
    }
}
