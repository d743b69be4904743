//! ACL users of the server.

use std::ptr;

use super::{api, free_standing_string, offered, string_bytes};

/// Whether an ACL user is off or gone.
pub(crate) fn is_off(name: &[u8]) -> bool {
    // It came with Redis 7.0.6; before, nobody can be asked.
    if !offered!(RedisModule_GetModuleUserACLString) {
        return false;
    }
    // SAFETY: the name is freed after the user was looked up; handle and description are the caller's
    // to free.
    unsafe {
        let name = free_standing_string(name);
        let user = api!(RedisModule_GetModuleUserFromUserName(name));
        api!(RedisModule_FreeString(ptr::null_mut(), name));
        if user.is_null() {
            return true;
        }
        let described = api!(RedisModule_GetModuleUserACLString(user));
        let is_off = string_bytes(described)
            .split(|byte| *byte == b' ')
            .any(|rule| rule == b"off");
        api!(RedisModule_FreeString(ptr::null_mut(), described));
        api!(RedisModule_FreeModuleUser(user));
        is_off
    }
}
