//! A database that cannot be opened says why.

use mainstay_store::{Database, DatabaseOptions, OpenError};

async fn refused(url: &str) -> OpenError {
    let url = url.parse().expect("an address");
    Database::open(&url, &DatabaseOptions::default()).await.expect_err("cannot be opened")
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_without_the_password() {
    // No server listens on port 1, and nobody but root could make one.
    let OpenError(explanation) = refused("postgres://user:secret@127.0.0.1:1/app").await;
    assert!(explanation.why.contains("127.0.0.1:1"), "{explanation:?}");
    assert!(explanation.fix.contains("Start the server"), "{explanation:?}");
    assert!(!explanation.to_string().contains("secret"), "{explanation:?}");
}

#[tokio::test]
async fn a_size_of_zero_is_refused() {
    let options = DatabaseOptions { readers: 0, ..DatabaseOptions::default() };
    let url = "sqlite::memory:".parse().expect("an address");
    let error = Database::open(&url, &options).await.expect_err("nothing would read");
    assert!(error.to_string().contains("`readers` is 0"), "{error}");
}
