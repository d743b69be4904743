//! What is said to Redis: each call of the store is one script, by which Redis decides everything at once.

use std::sync::LazyLock;

use redis::Script;

const STORE: &str = include_str!("scripts/store.lua");
const SET: &str = include_str!("scripts/set.lua");

/// A script, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Epoch,
    Proven,
    Permitted,
    Replace,
    Invite,
    Invited,
    Cancel,
    Offer,
    Join,
    Session,
    End,
    AddKey,
    RemoveKey,
    SealKey,
    NumberKeys,
    Mark,
    Fill,
    Clear,
}

const ALL: [Name; 18] = [
    Name::Epoch,
    Name::Proven,
    Name::Permitted,
    Name::Replace,
    Name::Invite,
    Name::Invited,
    Name::Cancel,
    Name::Offer,
    Name::Join,
    Name::Session,
    Name::End,
    Name::AddKey,
    Name::RemoveKey,
    Name::SealKey,
    Name::NumberKeys,
    Name::Mark,
    Name::Fill,
    Name::Clear,
];

/// Text and hash of a script.
pub(super) struct Text {
    pub(super) code: String,
    pub(super) sha1: String,
}

impl Name {
    fn parts(self) -> [&'static str; 3] {
        let of_set = |script| [STORE, SET, script];
        let other = |script| [STORE, script, ""];
        match self {
            Self::Epoch => of_set(include_str!("scripts/epoch.lua")),
            Self::Proven => of_set(include_str!("scripts/proven.lua")),
            Self::Permitted => other(include_str!("scripts/permitted.lua")),
            Self::Replace => other(include_str!("scripts/replace.lua")),
            Self::Invite => other(include_str!("scripts/invite.lua")),
            Self::Invited => other(include_str!("scripts/invited.lua")),
            Self::Cancel => other(include_str!("scripts/cancel.lua")),
            Self::Offer => other(include_str!("scripts/offer.lua")),
            Self::Join => other(include_str!("scripts/join.lua")),
            Self::Session => of_set(include_str!("scripts/session.lua")),
            Self::End => other(include_str!("scripts/end.lua")),
            Self::AddKey => other(include_str!("scripts/add_key.lua")),
            Self::RemoveKey => other(include_str!("scripts/remove_key.lua")),
            Self::SealKey => other(include_str!("scripts/seal_key.lua")),
            Self::NumberKeys => other(include_str!("scripts/number_keys.lua")),
            Self::Mark => other(include_str!("scripts/mark.lua")),
            Self::Fill => other(include_str!("scripts/fill.lua")),
            Self::Clear => other(include_str!("scripts/clear.lua")),
        }
    }

    pub(super) fn text(self) -> &'static Text {
        static TEXTS: LazyLock<Vec<Text>> = LazyLock::new(|| {
            let text = |name: Name| {
                // With its first line, Redis refuses all of a script that it would refuse a part of: at a replica, or
                // where there is no memory.
                let code = format!("#!lua\n{}", name.parts().concat());
                let sha1 = Script::new(&code).get_hash().to_owned();
                Text { code, sha1 }
            };
            ALL.map(text).into()
        });
        &TEXTS[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_its_own_text() {
        for (at, name) in ALL.into_iter().enumerate() {
            assert_eq!(name as usize, at);
            assert!(name.text().code.ends_with(name.parts().concat().as_str()));
        }
        let hashes: std::collections::BTreeSet<_> =
            ALL.iter().map(|name| &name.text().sha1).collect();
        assert_eq!(hashes.len(), ALL.len());
    }
}
