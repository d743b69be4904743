//! A machine that a process runs on: this one, or a network namespace that stands for another.

use std::process::Command;

/// A machine by its addresses.
#[derive(Clone, Debug)]
pub struct Host {
    /// The one under which clients reach it.
    pub front: String,
    namespace: Option<String>,
}

impl Host {
    /// This machine.
    #[must_use]
    pub fn here() -> Self {
        Self {
            front: "127.0.0.1".into(),
            namespace: None,
        }
    }

    /// The machine that a namespace stands for.
    #[must_use]
    pub fn of(namespace: &str, front: &str) -> Self {
        Self {
            front: front.into(),
            namespace: Some(namespace.into()),
        }
    }

    /// What is put before a command, so that it runs there.
    #[must_use]
    pub fn prefix(&self) -> Vec<String> {
        let namespace = self.namespace.iter();
        let words = namespace.flat_map(|name| ["ip", "netns", "exec", name].map(str::to_owned));
        words.collect()
    }

    /// The command, there.
    #[must_use]
    pub fn run(&self, command: Command) -> Command {
        let prefix = self.prefix();
        let Some((program, words)) = prefix.split_first() else {
            return command;
        };
        let mut there = Command::new(program);
        there.args(words).arg(command.get_program());
        there.args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => there.env(name, value),
                None => there.env_remove(name),
            };
        }
        if let Some(dir) = command.get_current_dir() {
            there.current_dir(dir);
        }
        there
    }
}
