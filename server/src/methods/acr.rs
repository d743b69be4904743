//! What was proven, as the one name that tokens say and resources ask for (RFC 9470).

use std::fmt;

const PREFIX: &str = "urn:2fapi:acr:";

/// The method that every login begins with.
pub(crate) const SIGMA: &str = "sigma";

/// Methods by their names, each once and in the order in which they were proven: `urn:2fapi:acr:sigma+knowledge`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acr(Vec<String>);

impl Acr {
    /// The most methods.
    pub const MAX: usize = 8;

    /// By `sigma` alone.
    #[must_use]
    pub fn sigma() -> Self {
        Self(vec![SIGMA.to_owned()])
    }

    /// These and no others; `None` for what is no name of a method, one that is there twice, or none at all.
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut all: Vec<String> = Vec::new();
        for name in names {
            let letters = name.bytes().all(|byte| byte.is_ascii_lowercase());
            let permitted = letters && (1..=32).contains(&name.len());
            if !permitted || all.len() == Self::MAX || all.iter().any(|other| other == name) {
                return None;
            }
            all.push(name.to_owned());
        }
        (!all.is_empty()).then_some(Self(all))
    }

    /// Reads the name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::of(text.strip_prefix(PREFIX)?.split('+'))
    }

    /// The methods, in their order.
    pub fn methods(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether this method is one of them.
    #[must_use]
    pub fn has(&self, method: &str) -> bool {
        self.methods().any(|own| own == method)
    }

    /// Whether all of the other's methods are among these.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.methods().all(|method| self.has(method))
    }

    /// These, and another one behind them.
    #[must_use]
    pub fn and(&self, method: &str) -> Option<Self> {
        Self::of(self.methods().chain([method]))
    }
}

impl fmt::Display for Acr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.0.join("+"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_proven_has_one_name() {
        let both = Acr::sigma().and("knowledge").unwrap();
        assert_eq!(both.to_string(), "urn:2fapi:acr:sigma+knowledge");
        assert_eq!(Acr::parse(&both.to_string()), Some(both.clone()));
        assert!(both.covers(&Acr::sigma()) && !Acr::sigma().covers(&both));
        assert!(both.covers(&Acr::parse("urn:2fapi:acr:knowledge+sigma").unwrap()));
        for bad in [
            "",
            "sigma",
            "urn:2fapi:acr:",
            "urn:2fapi:acr:sigma+",
            "urn:2fapi:acr:sigma+sigma",
            "urn:2fapi:acr:Sigma",
            "urn:2fapi:acr:sigma knowledge",
            "urn:2fapi:acr:a+b+c+d+e+f+g+h+i",
        ] {
            assert_eq!(Acr::parse(bad), None, "{bad}");
        }
        assert_eq!(both.and("knowledge"), None);
    }
}
