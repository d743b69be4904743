//! Form-encoded parameters, as the OAuth resources take them (RFC 6749, appendix B).

use axum::{
    extract::{FromRequest, Request},
    http::HeaderMap,
};
use zeroize::Zeroizing;

use super::{body, oauth_problem::OauthProblem};

/// More parameters than any resource takes.
const PARAMETERS_MAX: usize = 32;

/// The parameters of a body or a query that were not taken yet. They may be tokens or proofs, so that
/// nothing of them is repeated in an error.
pub(super) struct Form(Vec<(String, Zeroizing<String>)>);

impl Form {
    /// Parses a body or a query. Parameters without a value count as left out (RFC 6749, section 3.1).
    pub(super) fn parse(encoded: &[u8]) -> Result<Self, OauthProblem> {
        let mut parameters = Vec::new();
        for (name, value) in form_urlencoded::parse(encoded) {
            if parameters.len() == PARAMETERS_MAX {
                return Err(OauthProblem::invalid_request(
                    "there are too many parameters",
                ));
            }
            parameters.push((name.into_owned(), Zeroizing::new(value.into_owned())));
        }
        parameters.retain(|(_, value)| !value.is_empty());
        Ok(Self(parameters))
    }

    /// Takes a parameter, where there is one. Of those that nobody takes nobody hears (RFC 6749, section 3.2).
    pub(super) fn take(
        &mut self,
        name: &'static str,
    ) -> Result<Option<Zeroizing<String>>, OauthProblem> {
        let mut values = self.take_all(name);
        match values.len() {
            0 | 1 => Ok(values.pop()),
            _ => Err(OauthProblem::invalid_request(format!(
                "the parameter {name} is there twice"
            ))),
        }
    }

    /// Takes a parameter that has to be there.
    pub(super) fn need(&mut self, name: &'static str) -> Result<Zeroizing<String>, OauthProblem> {
        self.take(name)?.ok_or_else(|| {
            OauthProblem::invalid_request(format!("the parameter {name} is missing"))
        })
    }

    /// Takes a parameter that may be there more than once, as `resource` may (RFC 8707).
    pub(super) fn take_all(&mut self, name: &str) -> Vec<Zeroizing<String>> {
        let taken = self.0.extract_if(.., |(known, _)| known == name);
        taken.map(|(_, value)| value).collect()
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = OauthProblem;

    async fn from_request(request: Request, _: &S) -> Result<Self, OauthProblem> {
        let (parts, body) = request.into_parts();
        let body = Zeroizing::new(body::read(&parts.headers, body, body::BODY_MAX).await?);
        if !is_form(&parts.headers) {
            return Err(OauthProblem::media_type());
        }
        Self::parse(&body)
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    body::media_type(headers)
        .is_some_and(|media| media.eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Form {
        Form::parse(text.as_bytes()).ok().unwrap()
    }

    #[test]
    fn parameters_are_decoded_and_empty_ones_are_left_out() {
        let mut form = parsed("a=1%2B1&b=x+y&c=&d&%65=%FF");
        assert_eq!(*form.need("a").ok().unwrap(), "1+1");
        assert_eq!(*form.need("b").ok().unwrap(), "x y");
        assert!(form.take("c").ok().unwrap().is_none());
        assert!(form.need("d").is_err());
        assert_eq!(*form.need("e").ok().unwrap(), "\u{fffd}");
    }

    #[test]
    fn a_parameter_that_is_there_twice_is_none_where_one_is_taken() {
        assert!(parsed("a=1&a=2").take("a").is_err());
        assert!(parsed("a=1&a=1").need("a").is_err());
        assert_eq!(parsed("a=1&b=2&a=3").take_all("a").len(), 2);
        let many = "x=1&".repeat(PARAMETERS_MAX + 1);
        assert!(Form::parse(many.as_bytes()).is_err());
    }
}
