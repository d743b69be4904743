//! Which ACL users the operator lets clients become: `2fapi.acl-users`.

use super::acl_user::AclUser;

/// Names, and beginnings of names with `*` after them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AllowedUsers(Vec<Allowed>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Allowed {
    Name(Box<[u8]>),
    Beginning(Box<[u8]>),
}

impl AllowedUsers {
    /// Reads them, with blanks between them. No text at all allows nobody.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, String> {
        text.split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty())
            .map(|word| match word.strip_suffix(b"*") {
                Some(b"") => Err(
                    "* alone would be every user: write the beginning of the names \
                                  that clients may become, such as client-*"
                        .to_owned(),
                ),
                Some(beginning) if !beginning.contains(&b'*') => {
                    Ok(Allowed::Beginning(beginning.into()))
                }
                None if !word.contains(&b'*') => match AclUser::parse(word) {
                    Ok(_) => Ok(Allowed::Name(word.into())),
                    Err(error) => Err(error.to_string()),
                },
                _ => Err("* may only stand at the end of a beginning, such as client-*".to_owned()),
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub(crate) fn allows(&self, user: &AclUser) -> bool {
        let name = user.as_bytes();
        self.0.iter().any(|allowed| match allowed {
            Allowed::Name(exactly) => name == &**exactly,
            Allowed::Beginning(beginning) => name.starts_with(beginning),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn allows(text: &str, user: &str) -> bool {
        let user = AclUser::parse(user.as_bytes()).unwrap();
        AllowedUsers::parse(text.as_bytes()).unwrap().allows(&user)
    }

    #[test]
    fn a_user_is_allowed_by_its_name_or_by_its_beginning() {
        assert!(allows("client-*", "client-alice"));
        assert!(allows("app  client-*\treader", "reader"));
        for (text, user) in [
            ("", "client-alice"),
            ("client-*", "operator"),
            ("client-*", "Client-alice"),
            ("client-*", "my-client-alice"),
            ("app", "app2"),
            ("app", "ap"),
        ] {
            assert!(!allows(text, user), "{text:?} {user}");
        }
    }

    #[test]
    fn a_pattern_for_everybody_or_for_default_is_refused() {
        for bad in ["*", "client-* *", "**", "a*b", "*a", "default", "a*b*"] {
            assert!(AllowedUsers::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics_and_never_allows_by_accident(text: Vec<u8>) {
            if let Ok(allowed) = AllowedUsers::parse(&text) {
                let user = AclUser::parse(b"operator").unwrap();
                let has_beginning = text.split(u8::is_ascii_whitespace).any(|word| {
                    word == b"operator"
                        || word.strip_suffix(b"*").is_some_and(|b| b"operator".starts_with(b))
                });
                prop_assert_eq!(allowed.allows(&user), has_beginning);
            }
        }
    }
}
