//! A database that cannot be opened says why.

use mainstay_store::{Database, DatabaseOptions, OpenError};

async fn refused(url: &str) -> OpenError {
    let url = url.parse().expect("an address");
    Database::open(&url, &DatabaseOptions::default()).await.expect_err("cannot be opened")
}

#[tokio::test]
async fn a_build_without_postgres_says_so_and_hides_the_password() {
    let error = refused("postgres://user:secret@db:5432/app").await.to_string();
    assert!(error.contains("no PostgreSQL engine"), "{error}");
    assert!(!error.contains("secret"), "{error}");
}

#[tokio::test]
async fn a_size_of_zero_is_refused() {
    let options = DatabaseOptions { readers: 0, ..DatabaseOptions::default() };
    let url = "sqlite::memory:".parse().expect("an address");
    let error = Database::open(&url, &options).await.expect_err("nothing would read");
    assert!(error.to_string().contains("`readers` is 0"), "{error}");
}
