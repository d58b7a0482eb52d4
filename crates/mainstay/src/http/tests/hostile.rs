//! Answers that mean harm, or are broken, cost a bounded time and a bounded memory.

use super::{
    server::{Act, Scripted, answer},
    *,
};

/// What comes of a call whose every attempt is answered so.
async fn answered(act: fn() -> Act, options: ClientOptions) -> Result<Response, CallError> {
    let server = Scripted::start(move |_| act()).await;
    let sent = client(&server, options).get("/").send();
    tokio::time::timeout(SOON, sent).await.expect("soon")
}

#[tokio::test]
async fn a_body_is_read_up_to_its_bound_and_no_further() {
    let options = ClientOptions { body_bytes_max: 64 * 1024, ..options() };
    let endless = || {
        let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
        Act::SayForever("HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n", chunk)
    };
    let announced = || {
        Act::SayForever("HTTP/1.1 200 X\r\ncontent-length: 9999999999\r\n\r\n", "x".repeat(4096))
    };
    for act in [endless as fn() -> Act, announced] {
        let error = answered(act, options).await.expect_err("it is too long");
        assert!(shown(&error).contains("the answer is too long"), "{}", shown(&error));
    }
    let full = || answer(200, "", &"x".repeat(64 * 1024));
    assert_eq!(answered(full, options).await.expect("all of it").body().len(), 64 * 1024);
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_cut_by_the_time_of_the_attempt() {
    let options =
        ClientOptions { attempt_timeout: Duration::from_millis(50), attempts_max: 1, ..options() };
    let slow = || Act::SayAndHang("HTTP/1.1 200 X\r\ncontent-length: 9\r\n\r\nx");
    let error = answered(slow, options).await;
    assert!(matches!(error, Err(CallError::TimedOut(_))), "{error:?}");
}

#[tokio::test]
async fn what_is_no_answer_is_a_failure_of_the_other_service() {
    for act in [
        // Its head does not end, in many lines or in one.
        (|| Act::SayForever("HTTP/1.1 200 X\r\n", "x-more: of this\r\n".repeat(64))) as fn() -> Act,
        || Act::SayForever("HTTP/1.1 200 X\r\nx-more: ", "x".repeat(4096)),
        || Act::Say("SSH-2.0-OpenSSH_9.2\r\n".repeat(16)),
        || Act::Say("HTTP/1.1 200 X\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx".into()),
        || Act::Say("HTTP/1.1 999999 X\r\n\r\n".into()),
        || Act::Close,
    ] {
        let error = answered(act, options()).await;
        assert!(matches!(error, Err(CallError::Failed(_))), "{error:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_handed_on_and_not_followed() {
    let other = Scripted::start(|_| answer(200, "", "")).await;
    let location = format!("location: {}/\r\n", other.base());
    let server = Scripted::start(move |_| answer(302, &location, "")).await;
    let answer = client(&server, options()).get("/").send().await.expect("an answer");
    assert_eq!((answer.status(), other.requests()), (StatusCode::FOUND, 0));
}

#[tokio::test]
async fn a_problem_has_its_code_and_what_has_not_the_form_of_one_is_none() {
    for (media_type, body, expected) in [
        ("application/problem+json", r#"{"code":"USER_NOT_FOUND"}"#, Some("USER_NOT_FOUND")),
        ("Application/Problem+JSON; charset=utf-8", r#"{"code":"A_1","x":[]}"#, Some("A_1")),
        ("application/json", r#"{"code":"USER_NOT_FOUND"}"#, None),
        ("application/problem+json", r#"{"code":"hunter2 \n"}"#, None),
        ("application/problem+json", r#"{"code":""}"#, None),
        ("application/problem+json", r#"{"code":7}"#, None),
        ("application/problem+json", "<html>", None),
    ] {
        let head = format!("content-type: {media_type}\r\n");
        let server = Scripted::start(move |_| answer(404, &head, body)).await;
        let answer = client(&server, options()).get("/").send().await.expect("an answer");
        assert_eq!((answer.status(), answer.problem()), (StatusCode::NOT_FOUND, expected));
        let error = answer.json::<u32>().expect_err("it is no success");
        assert_eq!((error.status(), error.problem()), (Some(StatusCode::NOT_FOUND), expected));
    }
}
