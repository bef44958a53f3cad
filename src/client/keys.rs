//! Keys of the daemon.

use super::link::{Failed, segment};
use super::{Client, ClientError};
use crate::api::{self, KeyBody, KeysPage, NewKeyAnswer, NewKeyBody};

impl Client {
    /// Adds a key; the answer has its secret.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn add_key(&self, body: &NewKeyBody) -> Result<NewKeyAnswer, ClientError> {
        self.post(api::KEYS, body).await
    }

    /// Every key.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn keys(&self) -> Result<Vec<KeyBody>, ClientError> {
        let page: KeysPage = self.get(api::KEYS, &()).await?;
        Ok(page.keys)
    }

    /// Revokes a key.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn revoke_key(&self, name: &str) -> Result<KeyBody, ClientError> {
        let path = api::KEY.replace("{name}", &segment(name)?);
        let request = self.link.http.delete(self.link.url(&path, ""));
        self.call(request).await.map_err(Failed::into_error)
    }
}
