//! The connections of a store: one that all requests share, and some for changes, each of which waits until what it did
//! is as safe as the URL says. Everything has a time by which it must have been answered.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use redis::{
    AsyncConnectionConfig, Cmd, Pipeline, PushInfo, PushKind, RedisError, RedisResult,
    ServerErrorKind, Value,
};
use tokio::{
    sync::{Mutex as Turn, Semaphore},
    time::timeout,
};

use super::{
    place::{Place, WITHIN},
    reach::Reached,
    said::{Answer, Said, failed, unexpected},
};
use crate::store::api::StoreError;

/// How long a change waits for replicas and disk, in milliseconds; less than an answer may take.
const WAIT_MILLISECONDS: u64 = 4000;

pub(super) struct Connections {
    pub(super) place: Place,
    shared: Mutex<Option<Live>>,
    /// One connects at a time, and the others wait for it.
    connecting: Turn<()>,
    made: AtomicU64,
    idle: Mutex<Vec<Live>>,
    turns: Semaphore,
}

/// What a change has to wait for before it is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Safety {
    /// Redis answers when it is safe.
    Answered,
    /// As many replicas have it.
    Replicas(u32),
    /// It is on disk, and on that of as many replicas.
    Disks(u32),
}

/// A connection and whether it is known to be broken.
#[derive(Clone)]
struct Live {
    number: u64,
    to: To,
    broken: Arc<AtomicBool>,
}

#[derive(Clone)]
enum To {
    Node(redis::aio::MultiplexedConnection),
    Cluster(redis::cluster_async::ClusterConnection),
}

impl Live {
    fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Has it made anew. One to a cluster does that itself, for each node.
    fn give_up(&self) {
        if matches!(self.to, To::Node(_)) {
            self.broken.store(true, Ordering::Release);
        }
    }

    /// The answer to each command.
    async fn say(&mut self, commands: &Pipeline) -> Result<Vec<RedisResult<Value>>, StoreError> {
        let said = async {
            match &mut self.to {
                To::Node(node) => commands.query_async(node).await,
                To::Cluster(cluster) => commands.query_async(cluster).await,
            }
        };
        let answers: RedisResult<Vec<RedisResult<Value>>> = match timeout(WITHIN, said).await {
            Ok(answers) => answers,
            Err(_) => {
                self.give_up();
                return Err(late());
            }
        };
        let answers = answers.map_err(|error| {
            self.give_up();
            failed(&error)
        })?;
        let of_another_master = |answer: &RedisResult<Value>| {
            answer.as_ref().is_err_and(|error| {
                matches!(error.code(), Some("READONLY" | "MASTERDOWN" | "UNBLOCKED"))
            })
        };
        if answers.iter().any(of_another_master) {
            self.give_up();
        }
        Ok(answers)
    }
}

impl Connections {
    pub(super) fn to(place: Place) -> Self {
        Self {
            turns: Semaphore::new(place.connections),
            place,
            shared: Mutex::new(None),
            connecting: Turn::new(()),
            made: AtomicU64::new(0),
            idle: Mutex::new(Vec::new()),
        }
    }

    /// The number of the shared connection, as long as it is not known to be broken.
    pub(super) fn current(&self) -> Option<u64> {
        let shared = locked(&self.shared);
        let live = shared.as_ref().filter(|live| !live.is_broken())?;
        Some(live.number)
    }

    /// What a script answers, in one round trip.
    pub(super) async fn ask(&self, said: &Said) -> Result<Answer, StoreError> {
        let mut live = self.shared().await?;
        let answer = match first(live.say(&of([said.by_hash()])).await?)? {
            Err(error) if is_unknown(&error) => first(live.say(&of([said.by_text()])).await?)?,
            answer => answer,
        };
        let answer = Answer::read(answer);
        if answer.is_err() {
            // Whoever is no master any longer, or another one, is not asked again.
            live.give_up();
        }
        answer
    }

    /// What a script answers when all that it has done and seen is as safe as the URL says, in one round trip.
    pub(super) async fn ask_safely(
        &self,
        said: &Said,
        safety: Safety,
    ) -> Result<Answer, StoreError> {
        let mut fence = redis::cmd("SET");
        fence.arg(said.bucket.fence()).arg("");
        let wait = safety.wait();
        let commands = |script: Cmd| {
            let wait = wait.clone().map(|wait| [fence.clone(), wait]);
            of([script].into_iter().chain(wait.into_iter().flatten()))
        };
        let _turn = self.turns.acquire().await.map_err(|_| unexpected())?;
        let idle = locked(&self.idle).pop().filter(|live| !live.is_broken());
        let mut live = match idle {
            Some(live) => live,
            None => self.connect().await?,
        };
        let mut answers = live.say(&commands(said.by_hash())).await?;
        if matches!(answers.first(), Some(Err(error)) if is_unknown(error)) {
            answers = live.say(&commands(said.by_text())).await?;
        }
        let mut answers = answers.into_iter();
        let answer = Answer::read(answers.next().ok_or_else(unexpected)?)?;
        // A connection waits for what it has written itself. The fence is that, after all that the script saw.
        if let Some(fence) = answers.next() {
            fence.map_err(|error| failed(&error))?;
            safety.is_reached(answers.next().ok_or_else(unexpected)?)?;
        }
        if !live.is_broken() {
            locked(&self.idle).push(live);
        }
        Ok(answer)
    }

    /// What commands answer that change nothing, in one round trip. They are said again if the connection broke.
    pub(super) async fn read(&self, commands: Vec<Cmd>) -> Result<Vec<Value>, StoreError> {
        let commands = of(commands);
        let mut live = self.shared().await?;
        let answers = match live.say(&commands).await {
            Err(_) if live.is_broken() => self.shared().await?.say(&commands).await?,
            answers => answers?,
        };
        let answers = answers.into_iter().collect::<RedisResult<Vec<_>>>();
        answers.map_err(|error| failed(&error))
    }

    /// The connection that all share is made anew before it is used again.
    pub(super) fn give_up(&self) {
        if let Some(live) = locked(&self.shared).as_ref() {
            live.give_up();
        }
    }

    async fn shared(&self) -> Result<Live, StoreError> {
        let there = || {
            let shared = locked(&self.shared);
            shared.as_ref().filter(|live| !live.is_broken()).cloned()
        };
        if let Some(live) = there() {
            return Ok(live);
        }
        let _turn = self.connecting.lock().await;
        if let Some(live) = there() {
            return Ok(live);
        }
        let live = self.connect().await?;
        *locked(&self.shared) = Some(live.clone());
        Ok(live)
    }

    async fn connect(&self) -> Result<Live, StoreError> {
        let broken = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&broken);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(WITHIN))
            .set_response_timeout(Some(WITHIN))
            .set_push_sender(move |push: PushInfo| -> Result<(), RedisError> {
                if push.kind == PushKind::Disconnection {
                    told.store(true, Ordering::Release);
                }
                Ok(())
            });
        let reached = timeout(WITHIN, self.place.reach(&config)).await;
        let to = match reached.map_err(|_| late())? {
            Ok(Reached::Node(node)) => To::Node(node),
            Ok(Reached::Cluster(cluster)) => To::Cluster(cluster),
            Err(error) => return Err(failed(&error)),
        };
        Ok(Live {
            number: self.made.fetch_add(1, Ordering::Relaxed),
            to,
            broken,
        })
    }
}

impl Safety {
    fn wait(self) -> Option<Cmd> {
        let mut wait = match self {
            Self::Answered => return None,
            Self::Replicas(replicas) => {
                let mut wait = redis::cmd("WAIT");
                wait.arg(replicas);
                wait
            }
            // Who has it on disk has it.
            Self::Disks(replicas) => {
                let mut wait = redis::cmd("WAITAOF");
                wait.arg(1).arg(replicas);
                wait
            }
        };
        wait.arg(WAIT_MILLISECONDS);
        Some(wait)
    }

    fn is_reached(self, answer: RedisResult<Value>) -> Result<(), StoreError> {
        let answer = answer.map_err(|error| unsafe_yet(&error.to_string()))?;
        let reached = match (self, &answer) {
            (Self::Answered, _) => true,
            (Self::Replicas(wanted), Value::Int(had)) => *had >= i64::from(wanted),
            (Self::Disks(wanted), Value::Array(had)) => match had[..] {
                [Value::Int(own), Value::Int(others)] => own >= 1 && others >= i64::from(wanted),
                _ => false,
            },
            _ => false,
        };
        match reached {
            true => Ok(()),
            false => Err(unsafe_yet(match self {
                Self::Replicas(_) => "too few replicas have it",
                _ => "it is not on disk yet, or on that of too few replicas",
            })),
        }
    }
}

fn unsafe_yet(reason: &str) -> StoreError {
    StoreError(format!("a change is not known to be durable: {reason}"))
}

fn of(commands: impl IntoIterator<Item = Cmd>) -> Pipeline {
    let mut pipeline = Pipeline::new();
    pipeline.ignore_errors();
    for command in commands {
        pipeline.add_command(command);
    }
    pipeline
}

fn first(answers: Vec<RedisResult<Value>>) -> Result<RedisResult<Value>, StoreError> {
    answers.into_iter().next().ok_or_else(unexpected)
}

fn is_unknown(error: &RedisError) -> bool {
    error.kind() == redis::ErrorKind::Server(ServerErrorKind::NoScript)
}

fn late() -> StoreError {
    StoreError(format!(
        "Redis did not answer within {} s",
        WITHIN.as_secs()
    ))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
