//! The server's memory as Rust's allocator: what the module takes is counted, and limited, with the
//! server's own.
//!
//! The server promises no more alignment than a pointer needs, and vectorized field arithmetic needs
//! 32 bytes; the binding library's own allocator leaves that to the luck of the server's size classes.

use std::alloc::{GlobalAlloc, Layout};

use super::raw;

/// What every allocation of the server is aligned to.
const GIVEN: usize = align_of::<usize>();

pub(crate) struct ServerMemory;

// SAFETY: memory comes from the server's allocator, which any thread may use; blocks of more
// alignment lie within one of the server's, whose address is kept just before them.
unsafe impl GlobalAlloc for ServerMemory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the pointer is written once, before anything is allocated.
        let Some(take) = (unsafe { raw::RedisModule_Alloc }) else {
            return std::ptr::null_mut();
        };
        if layout.align() <= GIVEN {
            // SAFETY: a size of any kind is right.
            return unsafe { take(layout.size().max(1)) }.cast();
        }
        let Some(size) = layout.size().checked_add(layout.align()) else {
            return std::ptr::null_mut();
        };
        // SAFETY: as above. The next aligned address after the block's first byte is at least GIVEN
        // bytes on and at most `align`, so that the block's address fits before it, and `size` after.
        unsafe {
            let block: *mut u8 = take(size).cast();
            let aligned = block.add(layout.align() - block.addr() % layout.align());
            aligned.cast::<*mut u8>().sub(1).write(block);
            aligned
        }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as in `alloc`, which made it and, with more alignment, wrote the block's address.
        unsafe {
            let Some(give) = raw::RedisModule_Free else {
                return;
            };
            let block = if layout.align() <= GIVEN {
                memory
            } else {
                memory.cast::<*mut u8>().sub(1).read()
            };
            give(block.cast());
        }
    }
}
