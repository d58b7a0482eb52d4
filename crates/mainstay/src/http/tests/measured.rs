//! What `/metrics` shows of calls.

use super::{
    server::{Act, Scripted, answer},
    *,
};
use crate::metrics::{Calls, Collect, Format, Page};

fn page(clients: &Clients) -> String {
    let mut page = Page::new(Format::Text, 0);
    Calls(clients.clone()).collect(&mut page);
    page.finish()
}

#[tokio::test]
async fn every_end_of_a_call_is_counted_and_none_adds_a_series() {
    let server = Scripted::start(|number| match number {
        0 => answer(200, "", ""),
        1 => answer(418, "", ""),
        2 => answer(503, "", ""),
        3 => answer(599, "", ""),
        _ => Act::SayAndHang(""),
    })
    .await;
    let clients = Clients::default();
    let client = clients.create("billing", server.base(), options());
    let series = page(&clients).lines().count();
    for _ in 0..3 {
        // What comes of each is looked at in the page.
        let _ = client.get("/").send().await;
    }
    let mut abandoned = Box::pin(client.get("/").send());
    let waited = tokio::time::timeout(Duration::from_millis(1), abandoned.as_mut()).await;
    waited.expect_err("it has no answer");
    assert!(page(&clients).contains("\nmainstay_client_calls_in_flight{client=\"billing\"} 1\n"));
    drop(abandoned);
    let page = page(&clients);
    for line in [
        r#"mainstay_client_calls_total{client="billing",status="2xx"} 1"#,
        r#"mainstay_client_calls_total{client="billing",status="4xx"} 1"#,
        r#"mainstay_client_calls_total{client="billing",status="5xx"} 1"#,
        r#"mainstay_client_calls_total{client="billing",status="abandoned"} 1"#,
        r#"mainstay_client_calls_total{client="billing",status="refused"} 0"#,
        r#"mainstay_client_call_duration_seconds_count{client="billing"} 4"#,
        r#"mainstay_client_calls_in_flight{client="billing"} 0"#,
        r#"mainstay_client_attempts_total{client="billing"} 5"#,
        r#"mainstay_client_retries_total{client="billing"} 1"#,
        r#"mainstay_client_retries_refused_total{client="billing"} 0"#,
        r#"mainstay_client_breaker_open{client="billing"} 0"#,
        r#"mainstay_client_breaker_openings_total{client="billing"} 0"#,
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
    }
    assert_eq!(page.lines().count(), series);
}

#[tokio::test]
async fn two_clients_of_one_name_are_told_at_the_start() {
    let clients = Clients::default();
    let base: BaseUrl = "http://127.0.0.1:1".parse().expect("an address");
    clients.create("billing", base.clone(), options());
    clients.create("mail", base.clone(), options());
    let twice = std::panic::catch_unwind(|| clients.create("mail", base, options()));
    assert!(twice.is_err());
    assert_eq!(clients.list().len(), 2);
}
