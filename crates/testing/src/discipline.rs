//! The one line by which a service keeps its own discipline.

use mainstay::{
    Application,
    config::{ConfigFile, Framework, Loader, Sources},
};

/// Asserts that nothing is undecided about any endpoint of the service, as it is configured by
/// default. Panics with a sentence for each finding: the place, the endpoint, what to write.
pub async fn assert_disciplined<A: Application>() {
    let url = ("DATABASE_URL".to_owned(), "sqlite::memory:".to_owned());
    let mut loader = Loader::new(Sources { file: ConfigFile::None, environment: vec![url] });
    let framework = Framework::load(&mut loader);
    let settings = A::settings(&mut loader);
    loader.finish().unwrap_or_else(|errors| panic!("{errors}"));
    let matrix = mainstay::discipline::<A>(&framework, &settings).await;
    let findings = matrix.unwrap_or_else(|failure| panic!("{failure}")).findings();
    let sentences: Vec<_> = findings.iter().map(ToString::to_string).collect();
    assert!(sentences.is_empty(), "{} findings:\n{}", sentences.len(), sentences.join("\n"));
}

#[cfg(test)]
mod tests {
    use mainstay::{Assembly, Resources, store::Migrations};
    use mainstay_web::{NoContent, Routes, get};

    use super::*;

    struct Undisciplined;

    impl Application for Undisciplined {
        const NAME: &'static str = "undisciplined";
        const VERSION: &'static str = "0.0.0";

        type Settings = ();

        fn settings(_: &mut Loader) {}

        fn migrations() -> Migrations {
            Migrations::new(&[])
        }

        fn assemble(_: &Resources, (): &()) -> Assembly {
            async fn undecided() -> NoContent {
                NoContent
            }
            Assembly::new().mount(Routes::new("m", ()).add(get("/undecided", undecided).public()))
        }
    }

    #[tokio::test]
    async fn an_undisciplined_service_fails_its_test() {
        let failed = tokio::spawn(assert_disciplined::<Undisciplined>()).await;
        let panic = failed.expect_err("it panics").into_panic();
        let told = panic.downcast_ref::<String>().expect("a text");
        assert!(told.contains("GET /undecided: cache: nobody has said"), "{told}");
    }
}
