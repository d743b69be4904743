//! In the place of `shared`, in a build without stores that servers share: there is none.

use std::{convert::Infallible, sync::Arc};

use twofapi_client::Failure;
use twofapi_server::{Contents, OperatorKeys, Store};

/// No value is one.
#[derive(Clone)]
pub(crate) struct Shared(Infallible);

impl Shared {
    pub(super) fn parse(_scheme: &str, _url: &str) -> Result<Self, String> {
        Err("this 2fapi was built for stores in a file alone".into())
    }

    pub(super) fn keep_its_password(&self) -> Result<(), Failure> {
        match self.0 {}
    }

    pub(crate) async fn open(
        &self,
        _keys: OperatorKeys,
        _spent_capacity: u32,
    ) -> Result<Arc<dyn Store>, Failure> {
        match self.0 {}
    }

    pub(crate) async fn contents(&self, _keys: OperatorKeys) -> Result<Box<dyn Contents>, Failure> {
        match self.0 {}
    }

    pub(super) fn shown(&self) -> String {
        match self.0 {}
    }

    pub(crate) async fn migrate(&self, _keys: &OperatorKeys) -> Result<(i32, i32), Failure> {
        match self.0 {}
    }

    pub(crate) async fn rewrap(&self, _keys: OperatorKeys) -> Result<usize, Failure> {
        match self.0 {}
    }
}
