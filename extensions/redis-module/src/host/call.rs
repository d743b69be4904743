//! Commands of the server that the module gives itself, and their answers.

use std::{ffi::CStr, marker::PhantomData, slice};

use super::{Ctx, api, raw};

/// The answer to a command that the module gave.
pub(crate) struct Reply(*mut raw::RedisModuleCallReply);

impl Reply {
    /// Gives a command with these arguments; none when the server would not take it.
    pub(crate) fn to(ctx: Ctx<'_>, command: &CStr, arguments: &[&[u8]]) -> Option<Self> {
        Self::with_format(ctx, command, c"v", arguments)
    }

    /// Asks whether the server would take a command from a client now, errors being answers. Without
    /// `adds` it may be short of memory.
    pub(crate) fn as_to_a_script(
        ctx: Ctx<'_>,
        command: &CStr,
        adds: bool,
        arguments: &[&[u8]],
    ) -> Option<Self> {
        let format = if adds { c"SEMv" } else { c"SEv" };
        Self::with_format(ctx, command, format, arguments)
    }

    /// The format ends in the vector of the arguments.
    fn with_format(
        ctx: Ctx<'_>,
        command: &CStr,
        format: &CStr,
        arguments: &[&[u8]],
    ) -> Option<Self> {
        let mut strings: Vec<_> = arguments
            .iter()
            .map(|argument| super::free_standing_string(argument))
            .collect();
        // SAFETY: the context is live, and the format says that a vector of strings and its length
        // follow, as they do. The strings are ours to free once the call is over.
        let reply = unsafe {
            let reply = api!(RedisModule_Call(
                ctx.as_ptr(),
                command.as_ptr(),
                format.as_ptr(),
                strings.as_mut_ptr(),
                strings.len(),
            ));
            for string in strings {
                api!(RedisModule_FreeString(std::ptr::null_mut(), string));
            }
            reply
        };
        (!reply.is_null()).then(|| Self(reply))
    }

    pub(crate) const fn whole(&self) -> Part<'_> {
        Part {
            reply: self.0,
            of: PhantomData,
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        // SAFETY: the answer is this one's and freed once; its parts go with it.
        unsafe { api!(RedisModule_FreeCallReply(self.0)) };
    }
}

/// A part of an answer, which lives as long as the whole.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    reply: *mut raw::RedisModuleCallReply,
    of: PhantomData<&'a Reply>,
}

impl<'a> Part<'a> {
    /// Its elements; none when it is no list.
    pub(crate) fn elements(self) -> impl Iterator<Item = Part<'a>> {
        // SAFETY: the answer is live.
        let kind = unsafe { api!(RedisModule_CallReplyType(self.reply)) };
        let is_list = kind == raw::REDISMODULE_REPLY_ARRAY as i32;
        let is_set = kind == raw::REDISMODULE_REPLY_SET as i32;
        (0..).map_while(move |place| {
            // SAFETY: as above; past the last element comes a null pointer.
            let reply = unsafe {
                if is_list {
                    api!(RedisModule_CallReplyArrayElement(self.reply, place))
                } else if is_set {
                    api!(RedisModule_CallReplySetElement(self.reply, place))
                } else {
                    return None;
                }
            };
            (!reply.is_null()).then_some(Part { reply, of: self.of })
        })
    }

    pub(crate) fn at(self, place: usize) -> Option<Part<'a>> {
        self.elements().nth(place)
    }

    /// Its text; empty when it is none.
    pub(crate) fn bytes(self) -> &'a [u8] {
        let mut len = 0;
        // SAFETY: the answer is live for 'a, and a part without a text is a null pointer.
        unsafe {
            let text = api!(RedisModule_CallReplyStringPtr(self.reply, &mut len));
            if text.is_null() {
                return &[];
            }
            slice::from_raw_parts(text.cast(), len)
        }
    }

    pub(crate) fn is_error(self) -> bool {
        // SAFETY: the answer is live.
        let kind = unsafe { api!(RedisModule_CallReplyType(self.reply)) };
        kind == raw::REDISMODULE_REPLY_ERROR as i32
    }

    pub(crate) fn text(self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    /// Its number; the least one when it is none.
    pub(crate) fn integer(self) -> i64 {
        // SAFETY: the answer is live.
        unsafe { api!(RedisModule_CallReplyInteger(self.reply)) }
    }
}
