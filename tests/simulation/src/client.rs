//! An honest client: it enrols, logs in again and again, rotates, links and unlinks, and never knows whether what
//! it got no answer to was done.

use twofapi_crypto_core::{
    Authentication, Challenge, ClientId, Credential, CredentialId, Enrolment, Joining, Linking,
    Proof, Rotation, Statement, Unlinking, prove,
};

use crate::{
    env::Env,
    messages::{Aim, Answer, Asker, Attempt, Event, Request, Token},
};

/// After how many milliseconds without an answer it begins again.
const PATIENCE: u64 = 2500;
/// After how many denials in a row it enrols again: what was restored may not know it.
const ENROLS_AGAIN: u64 = 7;

pub(crate) struct Client {
    at: usize,
    pub(crate) id: ClientId,
    /// All that it ever had: it cannot know which ones the store has.
    credentials: Vec<Credential>,
    /// Which one it tries next.
    next: usize,
    turn: u64,
    denials: u64,
    is_enrolled: bool,
    /// The credential that is the next one if it is let in.
    new: Option<usize>,
    token: Option<Token>,
    /// When it was let in for the last time.
    pub(crate) let_in_at: Option<u64>,
}

impl Client {
    pub(crate) fn new(at: usize, env: &mut Env) -> Self {
        let id = format!("client-{at}").parse().expect("the id of a client");
        let mut client = Self {
            at,
            id,
            credentials: Vec::new(),
            next: 0,
            turn: 0,
            denials: 0,
            is_enrolled: false,
            new: None,
            token: None,
            let_in_at: None,
        };
        client.draw(env);
        let soon = env.chance.between(1, 500);
        client.wakes_in(env, soon);
        client
    }

    fn draw(&mut self, env: &mut Env) -> usize {
        let drawn = Credential::generate(env.chance.source());
        self.credentials
            .push(drawn.expect("a source that does not fail"));
        self.credentials.len() - 1
    }

    fn wakes_in(&self, env: &mut Env, milliseconds: u64) {
        let (client, turn) = (self.at, self.turn);
        env.after(milliseconds, Event::ClientWakes { client, turn });
    }

    /// Asks one of the replicas, and begins again if there is no answer.
    fn asks(&mut self, env: &mut Env, replicas: usize, request: Request) {
        self.turn += 1;
        let by = Asker::Client {
            client: self.at,
            turn: self.turn,
        };
        let replica = env.chance.index(replicas);
        env.ask(replica, by, request);
        self.wakes_in(env, PATIENCE);
    }

    pub(crate) fn wakes(&mut self, env: &mut Env, replicas: usize, turn: u64) {
        if turn != self.turn {
            return;
        }
        if let Some(token) = self.token.clone()
            && env.chance.in_hundred(60)
        {
            // Nothing is done with the answer.
            let nobody = Asker::Client {
                client: self.at,
                turn: u64::MAX,
            };
            let replica = env.chance.index(replicas);
            let ends = env.chance.in_hundred(25);
            if ends {
                env.ask(replica, nobody, Request::End(token.clone()));
            }
            env.ask(replica, nobody, Request::Present(token));
        }
        let client = self.id.as_str().to_owned();
        let enrols_again = self.denials % ENROLS_AGAIN == ENROLS_AGAIN - 1;
        let request = if !self.is_enrolled || enrols_again {
            self.denials += u64::from(enrols_again);
            let statement = Enrolment {
                client_id: &self.id,
            };
            let commitment = self.credentials[self.next].commitment().to_bytes();
            let proof = self.prove(env, self.next, &statement);
            Request::Enrol {
                client,
                commitment,
                proof,
            }
        } else {
            Request::Challenge { client }
        };
        self.asks(env, replicas, request);
    }

    /// What it says to whom it asked for a challenge; a thief hears it as well.
    pub(crate) fn hears(
        &mut self,
        env: &mut Env,
        replicas: usize,
        turn: u64,
        answer: Answer,
    ) -> Option<Attempt> {
        if turn != self.turn {
            return None;
        }
        match answer {
            Answer::Challenge(challenge) => {
                let attempt = self.attempt(env, &challenge);
                let request = Request::Attempt(Box::new(attempt.clone()));
                self.asks(env, replicas, request);
                return Some(attempt);
            }
            Answer::Accepted(token) => {
                self.denials = 0;
                self.next = self.new.take().unwrap_or(self.next);
                self.token = Some(token);
                self.let_in_at = Some(env.now);
                match env.is_stormy {
                    true => self.rests(env, 200, 2000),
                    false => self.rests(env, 2000, 6000),
                }
            }
            Answer::Done => {
                self.is_enrolled = true;
                self.rests(env, 100, 1000);
            }
            Answer::Denied => {
                self.denials += 1;
                self.new = None;
                self.next = (self.next + 1) % self.credentials.len();
                self.rests(env, 100, 800);
            }
            Answer::Unavailable => self.rests(env, 100, 800),
        }
        None
    }

    fn rests(&mut self, env: &mut Env, from: u64, to: u64) {
        self.turn += 1;
        let until = env.chance.between(from, to);
        self.wakes_in(env, until);
    }

    fn prove(&self, env: &mut Env, by: usize, statement: &dyn Statement) -> [u8; Proof::LEN] {
        let proof = prove(&self.credentials[by], statement, env.chance.source());
        proof.expect("a source that does not fail").to_bytes()
    }

    fn commitment(&self, of: usize) -> [u8; 32] {
        self.credentials[of].commitment().to_bytes()
    }

    /// An answer to a challenge: mostly a login.
    fn attempt(&mut self, env: &mut Env, challenge: &Challenge) -> Attempt {
        // Whatever came of a change before is not known if there was no answer.
        self.new = None;
        let by = self.next;
        let (id, nonce) = (self.id.clone(), &challenge.nonce);
        let binding = env.terms.binding().clone();
        let permitted = "an audience permits every purpose";
        let changes = self.denials == 0 && env.is_stormy && self.credentials.len() < 8;
        let (proof, to) = match env.chance.below(100) {
            0..8 if changes => {
                let new = self.draw(env);
                self.new = Some(new);
                let (commitment, of_new) = (self.commitment(new), Enrolment { client_id: &id });
                let new_one = self.credentials[new].commitment();
                let statement = Rotation::new(&id, nonce, new_one, &binding).expect(permitted);
                let to = Aim::Rotate {
                    commitment,
                    proof: self.prove(env, new, &of_new),
                };
                (self.prove(env, by, &statement), to)
            }
            8..14 if changes => {
                let new = self.draw(env);
                let commitment = self.commitment(new);
                let of_new = Joining::new(&id, nonce, &binding).expect(permitted);
                let statement = Linking::new(&id, nonce, &commitment, &binding).expect(permitted);
                let to = Aim::Link {
                    commitment,
                    proof: self.prove(env, new, &of_new),
                };
                (self.prove(env, by, &statement), to)
            }
            14..20 if changes && self.credentials.len() > 1 => {
                let gone = env.chance.index(self.credentials.len());
                let commitment = self.commitment(gone);
                let statement = Unlinking::new(&id, nonce, &commitment, &binding).expect(permitted);
                (self.prove(env, by, &statement), Aim::Unlink { commitment })
            }
            _ => {
                let statement = Authentication {
                    client_id: &id,
                    nonce,
                    binding: &binding,
                };
                (self.prove(env, by, &statement), Aim::Authenticate)
            }
        };
        Attempt {
            named: format!("{}.{id}", challenge.id),
            credential: CredentialId::of(&self.commitment(by)).to_string(),
            proof,
            to,
        }
    }
}
