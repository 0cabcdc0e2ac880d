//! What can go wrong before a bucket is used.

/// Why a bucket cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is no URL of a bucket.
    #[error("{url} is not of the form s3://BUCKET/PREFIX: {why}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The environment says too little, or what is not allowed.
    #[error("the environment's {variable} {why}")]
    Environment {
        /// Which variable.
        variable: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The settings do not make a client.
    #[error("cannot use {url}: {why}")]
    Settings {
        /// The bucket.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// The system refused threads, or what they need.
    #[error("cannot start the threads of a bucket")]
    Threads(#[source] std::io::Error),
}
