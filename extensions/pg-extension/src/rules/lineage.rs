//! What the functions of the extension note in a row that they change: that they did, and which version
//! of the row they went on from.
//!
//! They count what ends sessions. Whoever else writes a row (by hand, in a restore, by replication) may
//! have said anything in between, and counted nothing, so that every session of before ends.

use super::RowVersion;

/// The note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lineage {
    /// Which cluster of databases wrote it: a dump and a replica carry notes, and have transactions of
    /// their own.
    pub(crate) system: u64,
    /// The transaction that did.
    pub(crate) written_by: u32,
    pub(crate) origin: RowVersion,
}

impl Lineage {
    pub(crate) const LEN: usize = 8 + 4 + 4 + 4 + 2;

    pub(crate) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let mut left = &mut bytes[..];
        for part in [
            &self.system.to_be_bytes()[..],
            &self.written_by.to_be_bytes(),
            &self.origin.written_by.to_be_bytes(),
            &self.origin.block.to_be_bytes(),
            &self.origin.place.to_be_bytes(),
        ] {
            let (place, rest) = left.split_at_mut(part.len());
            place.copy_from_slice(part);
            left = rest;
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (system, rest) = bytes.split_first_chunk()?;
        let (written_by, rest) = rest.split_first_chunk()?;
        let (origin, rest) = rest.split_first_chunk()?;
        let (block, rest) = rest.split_first_chunk()?;
        let place = <[u8; 2]>::try_from(rest).ok()?;
        Some(Self {
            system: u64::from_be_bytes(*system),
            written_by: u32::from_be_bytes(*written_by),
            origin: RowVersion {
                written_by: u32::from_be_bytes(*origin),
                block: u32::from_be_bytes(*block),
                place: u16::from_be_bytes(place),
            },
        })
    }

    /// Where a version of a row comes from: from itself, unless its note is of the transaction that wrote
    /// it.
    pub(crate) fn origin(noted: Option<&[u8]>, system: u64, version: RowVersion) -> RowVersion {
        match noted.and_then(Self::from_bytes) {
            Some(noted) if (noted.system, noted.written_by) == (system, version.written_by) => {
                noted.origin
            }
            _ => version,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn version(written_by: u32) -> RowVersion {
        RowVersion {
            written_by,
            block: 1,
            place: 2,
        }
    }

    fn noted(system: u64, written_by: u32) -> [u8; Lineage::LEN] {
        let origin = version(5);
        let note = Lineage {
            system,
            written_by,
            origin,
        };
        note.to_bytes()
    }

    #[test]
    fn a_row_comes_from_where_its_note_says_if_the_note_came_with_it() {
        let origin = |note: &[u8], written_by| Lineage::origin(Some(note), 7, version(written_by));
        assert_eq!(origin(&noted(7, 9), 9), version(5));
        // Somebody else wrote the row again and left the note as it was; or it is of another cluster.
        assert_eq!(origin(&noted(7, 9), 10), version(10));
        assert_eq!(origin(&noted(8, 9), 9), version(9));
        assert_eq!(Lineage::origin(None, 7, version(9)), version(9));
        assert_eq!(origin(b"", 9), version(9));
    }

    proptest! {
        #[test]
        fn a_note_comes_out_as_it_went_in(system: u64, by: [u32; 3], place: u16) {
            let origin = RowVersion { written_by: by[1], block: by[2], place };
            let note = Lineage { system, written_by: by[0], origin };
            prop_assert_eq!(Lineage::from_bytes(&note.to_bytes()), Some(note));
        }

        #[test]
        fn any_bytes_are_a_note_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let read = Lineage::from_bytes(&bytes);
            prop_assert_eq!(read.is_some(), bytes.len() == Lineage::LEN);
        }
    }
}
