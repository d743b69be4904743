//! What is on its way to the audit when the server stops, as the bytes of a file.

use super::event::Encoded;

const MAGIC: [u8; 8] = *b"2FAPIEV\x01";
const RECORD: usize = 4 + Encoded::LEN;
/// What version 1.0 wrote.
const RECORD_BEFORE: usize = 4 + Encoded::LEN_BEFORE;
const HEAD: usize = MAGIC.len() + 8 + 4 + 4;
const SUM: usize = 8;

/// Events with their databases, and how many were dropped so far.
pub(crate) struct Spool {
    pub(crate) dropped: u64,
    pub(crate) events: Vec<(u32, Encoded)>,
}

impl Spool {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD + self.events.len() * RECORD + SUM);
        bytes.extend(MAGIC);
        bytes.extend(self.dropped.to_le_bytes());
        bytes.extend((RECORD as u32).to_le_bytes());
        bytes.extend((self.events.len() as u32).to_le_bytes());
        for (database, event) in &self.events {
            bytes.extend(database.to_le_bytes());
            bytes.extend(event.as_bytes());
        }
        let sum = sum(&bytes);
        bytes.extend(sum.to_le_bytes());
        bytes
    }

    /// `None` for what a newer version wrote, or nobody finished.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (body, found) = bytes.split_last_chunk::<SUM>()?;
        if u64::from_le_bytes(*found) != sum(body) {
            return None;
        }
        let (magic, rest) = body.split_first_chunk()?;
        let (dropped, rest) = rest.split_first_chunk()?;
        let (record, rest) = rest.split_first_chunk()?;
        let (count, records) = rest.split_first_chunk()?;
        let count = u32::from_le_bytes(*count) as usize;
        let record = u32::from_le_bytes(*record) as usize;
        if *magic != MAGIC
            || ![RECORD, RECORD_BEFORE].contains(&record)
            || Some(records.len()) != count.checked_mul(record)
        {
            return None;
        }
        let events = records.chunks_exact(record).map(|record| {
            let (database, event) = record.split_first_chunk()?;
            Some((u32::from_le_bytes(*database), Encoded::from_file(event)?))
        });
        Some(Self {
            dropped: u64::from_le_bytes(*dropped),
            events: events.collect::<Option<_>>()?,
        })
    }
}

/// FNV-1a: against damage, not against the owner of the data directory.
fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spool(count: u8) -> Spool {
        Spool {
            dropped: 7,
            events: (0..count)
                .map(|n| {
                    (
                        u32::from(n),
                        Encoded::from_file(&[n; Encoded::LEN]).unwrap(),
                    )
                })
                .collect(),
        }
    }

    #[test]
    fn what_was_saved_is_read_again() {
        for count in [0, 1, 200] {
            let read = Spool::from_bytes(&spool(count).to_bytes()).unwrap();
            assert_eq!(read.dropped, 7);
            assert_eq!(read.events.len(), count as usize);
            for (n, (database, event)) in read.events.iter().enumerate() {
                assert_eq!(*database as usize, n);
                assert_eq!(event.as_bytes(), &[n as u8; Encoded::LEN]);
            }
        }
    }

    #[test]
    fn what_version_1_0_saved_is_read_as_well() {
        let mut bytes = Vec::from(MAGIC);
        bytes.extend(7_u64.to_le_bytes());
        bytes.extend((RECORD_BEFORE as u32).to_le_bytes());
        bytes.extend(2_u32.to_le_bytes());
        for n in [8, 9] {
            bytes.extend(u32::from(n).to_le_bytes());
            bytes.extend([n; Encoded::LEN_BEFORE]);
        }
        bytes.extend(sum(&bytes).to_le_bytes());
        let read = Spool::from_bytes(&bytes).unwrap();
        let databases: Vec<_> = read.events.iter().map(|(database, _)| *database).collect();
        assert_eq!(databases, [8, 9]);
        let (_, event) = &read.events[1];
        assert_eq!(
            event.as_bytes()[..Encoded::LEN_BEFORE],
            [9; Encoded::LEN_BEFORE]
        );
    }

    proptest! {
        #[test]
        fn a_damaged_file_is_none(at in any::<usize>(), bit in 0..8_u32, cut in any::<usize>()) {
            let good = spool(3).to_bytes();
            let mut changed = good.clone();
            changed[at % good.len()] ^= 1 << bit;
            prop_assert!(Spool::from_bytes(&changed).is_none());
            prop_assert!(Spool::from_bytes(&good[..cut % good.len()]).is_none());
        }
    }
}
