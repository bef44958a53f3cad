//! The daemon's OpenAI-compatible endpoint, as far as we ask it ourselves.

use serde::Deserialize;

use super::{Client, ClientError};

/// GET `/v1/models`, as OpenAI's API has it.
#[derive(Deserialize)]
struct Page {
    data: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
}

impl Client {
    /// The models of the endpoint: the profiles that can run.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn models(&self) -> Result<Vec<String>, ClientError> {
        let page: Page = self.get("/v1/models", &()).await?;
        Ok(page.data.into_iter().map(|model| model.id).collect())
    }
}
