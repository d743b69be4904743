//! By what a client authenticates: `sigma`, the proof of this protocol, and whatever else a service has; and a policy
//! that says which of them a client needs.
//!
//! A login begins with `sigma`, which says who it is. Where the policy wants more, nobody gets a token yet: the login
//! is held ([`Held`](twofapi_crypto_core::ceremony::Held)) until each of the other methods was proven, one after the
//! other, and accepted in one step that can be taken once. A method only says whether its own proof is good:
//! what it needs of the store is that its proof be bound to the held login's challenge, which that step spends.

mod acr;

use std::{collections::BTreeMap, fmt, sync::Arc};

use async_trait::async_trait;
use serde_json::Value;
use twofapi_crypto_core::{ClientId, CredentialId, Error, Nonce};

pub use acr::Acr;
pub(crate) use acr::SIGMA;

/// A login that a method is asked about.
#[derive(Debug)]
pub struct HeldLogin<'a> {
    /// Who it is, as `sigma` has shown.
    pub client_id: &'a ClientId,
    /// The credential that was proven.
    pub credential_id: &'a CredentialId,
    /// What the method's proof has to be bound to: drawn for this login, and good for one acceptance.
    pub nonce: &'a Nonce,
    /// When the login is over, in Unix seconds.
    pub expires_at: u32,
    /// The time, in Unix seconds.
    pub now: u64,
}

/// What a method has begun.
#[derive(Debug)]
pub struct Begun {
    /// What the client is told, to answer it.
    pub told: Value,
    /// What the method wants to know of it again: at most 1024 bytes, which the client carries, can read and cannot
    /// change.
    pub kept: Vec<u8>,
}

/// What a method says of an answer.
#[derive(Debug)]
pub enum Answered {
    /// It is proven.
    Proven,
    /// It is not decided yet, since somebody else has to act (a chain, a person): the client asks again.
    Waiting {
        /// In the place of what was kept before.
        kept: Vec<u8>,
        /// In how many seconds it makes sense to ask.
        retry_after: u32,
    },
    /// It is not proven; the client may answer again as long as the login is held, unless the method itself refuses it
    /// then. A method whose answers could be guessed has to count them.
    Refused,
}

/// A way to authenticate besides `sigma`.
#[async_trait]
pub trait Method: Send + Sync + 'static {
    /// Its name, in policies and in `acr`: 1 to 32 letters a to z.
    fn name(&self) -> &'static str;

    /// What tokens say in `amr` once it is proven.
    fn amr(&self) -> &'static [&'static str];

    /// The longest body in bytes that an answer to it has.
    fn longest_answer(&self) -> usize {
        16 * 1024
    }

    /// For how many seconds a login is held for it, at most 900.
    fn seconds(&self) -> u32 {
        300
    }

    /// Begins it for a login.
    ///
    /// # Errors
    /// [`Error::Unavailable`], and nobody is let in; [`Error::Throttled`].
    async fn begin(&self, login: &HeldLogin<'_>) -> Result<Begun, Error>;

    /// Looks at an answer, or at what has become of one that was given before. Nobody is let in here: a good answer
    /// may come twice, and the step decides.
    ///
    /// # Errors
    /// As [`Method::begin`].
    async fn answer(
        &self,
        login: &HeldLogin<'_>,
        kept: &[u8],
        answer: Option<&Value>,
    ) -> Result<Answered, Error>;
}

/// The methods of a service, and who needs which.
#[derive(Clone, Default)]
pub struct Methods {
    all: Vec<Arc<dyn Method>>,
    default: Vec<&'static str>,
    of_clients: BTreeMap<ClientId, Vec<&'static str>>,
}

impl Methods {
    /// `sigma` alone, for everybody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// And another one, which nobody needs until that is said.
    ///
    /// # Errors
    /// [`Error::InvalidEncoding`] for a name that is none, or taken.
    pub fn with(mut self, method: Arc<dyn Method>) -> Result<Self, Error> {
        let names = [SIGMA]
            .into_iter()
            .chain(self.all.iter().map(|it| it.name()));
        if Acr::of(names.chain([method.name()])).is_none() {
            return Err(Error::InvalidEncoding {
                what: "method",
                expected: "at most 7 besides sigma, each of a name of its own: 1 to 32 letters a to z",
            });
        }
        self.all.push(method);
        Ok(self)
    }

    /// Everybody needs these besides `sigma`, but for whom something else is said.
    ///
    /// # Errors
    /// [`Error::InvalidEncoding`] for a method that the service has not.
    pub fn needed(mut self, methods: &[&str]) -> Result<Self, Error> {
        self.default = self.known(methods)?;
        Ok(self)
    }

    /// This client needs these besides `sigma`, and none of the others.
    ///
    /// # Errors
    /// As [`Methods::needed`].
    pub fn needed_by(mut self, client_id: ClientId, methods: &[&str]) -> Result<Self, Error> {
        let known = self.known(methods)?;
        self.of_clients.insert(client_id, known);
        Ok(self)
    }

    fn known(&self, methods: &[&str]) -> Result<Vec<&'static str>, Error> {
        let own = |name: &&str| self.named(name).map(|method| method.name());
        let known: Option<Vec<_>> = methods.iter().map(own).collect();
        let once = known.filter(|all| all.is_empty() || Acr::of(all.iter().copied()).is_some());
        once.ok_or(Error::InvalidEncoding {
            what: "methods that are needed",
            expected: "methods that the service has besides sigma, each once",
        })
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Arc<dyn Method>> {
        self.all.iter().find(|method| method.name() == name)
    }

    /// What a client needs besides `sigma`.
    pub(crate) fn of(&self, client_id: &ClientId) -> &[&'static str] {
        self.of_clients.get(client_id).unwrap_or(&self.default)
    }

    /// What tokens say in `amr` of these.
    pub(crate) fn amr(&self, proven: &Acr) -> Vec<String> {
        let mut said: Vec<String> = Vec::new();
        for name in proven.methods() {
            let of_method = match self.named(name) {
                Some(method) => method.amr(),
                None => &["zkp"],
            };
            for one in of_method {
                if !said.iter().any(|other| other == one) {
                    said.push((*one).to_owned());
                }
            }
        }
        said
    }

    /// The longest body that an answer has; `None` where there is no method but `sigma`.
    pub(crate) fn longest_answer(&self) -> Option<usize> {
        let longest = self.all.iter().map(|method| method.longest_answer());
        longest.max()
    }
}

impl fmt::Debug for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.all.iter().map(|method| method.name()).collect();
        write!(f, "Methods(sigma and {names:?})")
    }
}
