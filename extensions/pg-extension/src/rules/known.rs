//! The clients that this connection knows: whoever proved here who it is, with the row that the proof
//! was checked against. While the board says nothing new, that row is the one in the table.

use twofapi_crypto_core::Commitment;

use super::{ClientKey, Row, board::Seen};

/// How many clients are kept: some 40 KB, taken when the first one is kept.
const PLACES: usize = 64;

struct Entry {
    client: ClientKey,
    row: Row,
    /// The one that was proven last, decoded.
    commitment: Commitment,
    /// What the board said before the row was read.
    seen: Seen,
}

/// Those that are known. Each client has one place, which it may share.
pub(crate) struct Known(Vec<Option<Entry>>);

impl Known {
    pub(crate) const NOBODY: Self = Self(Vec::new());

    /// The client's row, if it is as it was when its proof was accepted, and the commitment that was proven.
    pub(crate) fn find(&self, seen: Seen, client: &ClientKey) -> Option<(Row, Commitment)> {
        let entry = self.0.get(seen.bucket() % PLACES)?.as_ref()?;
        let found = entry.seen == seen && entry.client == *client;
        found.then(|| (entry.row.clone(), entry.commitment))
    }

    /// Keeps a row that was read after the board had said `seen`.
    pub(crate) fn keep(&mut self, client: ClientKey, row: Row, commitment: Commitment, seen: Seen) {
        if self.0.is_empty() {
            self.0.resize_with(PLACES, || None);
        }
        if let Some(place) = self.0.get_mut(seen.bucket() % PLACES) {
            *place = Some(Entry {
                client,
                row,
                commitment,
                seen,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{RowVersion, board::Board};
    use super::*;
    use proptest::prelude::*;
    use std::sync::LazyLock;
    use twofapi_crypto_core::{ClientRecord, ClientStatus, generators};

    static COMMITMENT: LazyLock<Commitment> = LazyLock::new(|| {
        let (g, _) = generators();
        Commitment::from_bytes(&g.compress().to_bytes()).unwrap()
    });

    fn board() -> Board {
        Board::new([7; Board::KEY_LEN])
    }

    fn client(n: u32) -> ClientKey {
        ClientKey::new(1, &format!("client-{n}").parse().unwrap())
    }

    fn row(version: u32) -> Row {
        let record = ClientRecord {
            commitment: *COMMITMENT,
            commitment_version: version,
            status: ClientStatus::Active,
        };
        Row {
            record: record.into(),
            origin: RowVersion {
                written_by: version,
                block: 0,
                place: 1,
            },
            tokens_from: 0,
        }
    }

    fn find(known: &Known, board: &Board, client: &ClientKey) -> Option<Row> {
        let found = known.find(board.seen(client, 0), client);
        found.map(|(row, _)| row)
    }

    fn keep(known: &mut Known, client: ClientKey, row: Row, seen: Seen) {
        known.keep(client, row, *COMMITMENT, seen);
    }

    #[test]
    fn nobody_is_known_until_kept_and_after_the_table_changed() {
        let board = board();
        let mut known = Known::NOBODY;
        assert!(find(&known, &board, &client(1)).is_none());
        keep(&mut known, client(1), row(1), board.seen(&client(1), 0));
        assert!(find(&known, &board, &client(1)).is_some());
        assert!(find(&known, &board, &client(2)).is_none());
        assert!(known.find(board.seen(&client(1), 1), &client(1)).is_none());
    }

    #[test]
    fn the_same_id_in_another_database_is_another_client() {
        let board = board();
        let mut known = Known::NOBODY;
        keep(&mut known, client(1), row(1), board.seen(&client(1), 0));
        let elsewhere = ClientKey::new(2, &"client-1".parse().unwrap());
        assert!(find(&known, &board, &elsewhere).is_none());
    }

    #[derive(Clone, Debug)]
    enum Step {
        /// A connection reads the row, and others change it before the proof is accepted or not.
        LogIn {
            client: u32,
            changed_meanwhile: bool,
        },
        Change {
            client: u32,
        },
        ChangeAll,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0..200_u32, proptest::bool::weighted(0.2))
                .prop_map(|(client, changed_meanwhile)| Step::LogIn { client, changed_meanwhile }),
            3 => (0..200_u32).prop_map(|client| Step::Change { client }),
            1 => Just(Step::ChangeAll),
        ]
    }

    proptest! {
        /// Against a table whose rows say how often they were changed.
        #[test]
        fn a_known_row_is_always_the_one_in_the_table(
            steps in proptest::collection::vec(step(), 0..300)
        ) {
            let board = board();
            let mut table = vec![1_u32; 200];
            let mut known = Known::NOBODY;
            for step in steps {
                match step {
                    Step::LogIn { client: n, changed_meanwhile } => {
                        let key = client(n);
                        if let Some(found) = find(&known, &board, &key) {
                            prop_assert_eq!(found.record.version(), table[n as usize]);
                        } else {
                            let seen = board.seen(&key, 0);
                            let read = row(table[n as usize]);
                            if changed_meanwhile {
                                table[n as usize] += 1;
                                board.post(&key);
                            }
                            keep(&mut known, key, read, seen);
                        }
                    }
                    Step::Change { client: n } => {
                        table[n as usize] += 1;
                        board.post(&client(n));
                    }
                    Step::ChangeAll => {
                        table.iter_mut().for_each(|version| *version += 1);
                        board.post_everyone();
                    }
                }
            }
        }
    }
}
