//! Request ids and trace contexts from callers.

use mainstay_core::{RequestId, SpanId, TraceContext, TraceState};

/// The span we would continue a trace in.
const OURS: SpanId = SpanId(*b"our span");

/// What is accepted is rendered back as it came, and nothing but harmless characters is accepted.
pub fn trace(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    request_id(text);
    traceparent(text);
    tracestate(text);
}

fn request_id(text: &str) {
    let Some(id) = RequestId::parse(text) else { return };
    assert_eq!(id.as_str(), text);
    assert_eq!(id.as_bytes(), text.as_bytes());
    assert_eq!(id.to_string(), text);
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    assert!(text.bytes().all(harmless), "{text:?} would need escapes");
    assert!((1..=RequestId::LENGTH_MAX).contains(&text.len()), "{} bytes", text.len());
}

fn traceparent(text: &str) {
    let Ok(context) = TraceContext::continued(text, OURS) else { return };
    let parent = context.parent_id.expect("a continued trace has a parent");
    assert_eq!(context.span_id, OURS);

    // Our own rendering is version 00 and keeps two of the flags; the rest is the caller's text.
    let rendered = TraceContext { span_id: parent, ..context.clone() }.traceparent();
    assert_eq!(rendered[2..53], text.as_bytes()[2..53], "{text:?}");
    let flags = u8::from_str_radix(&text[53..55], 16).expect("it was accepted as hex");
    assert_eq!((context.sampled, context.random), (flags & 1 == 1, flags & 2 == 2));

    let ours = context.traceparent();
    let ours = std::str::from_utf8(&ours).expect("it is ASCII");
    let next = TraceContext::continued(ours, parent).expect("what we send is well formed");
    assert_eq!(next.trace_id, context.trace_id);
    assert_eq!(next.parent_id, Some(OURS));
    assert_eq!((next.sampled, next.random), (context.sampled, context.random));
}

fn tracestate(text: &str) {
    let Some(state) = TraceState::parse([text]) else { return };
    let kept = state.as_str();
    assert!(kept.len() <= 512 && kept.split(',').count() <= 32, "{kept:?}");
    assert!(kept.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{kept:?} is no header value");
    assert_eq!(TraceState::parse([kept]), Some(state.clone()), "what we send is well formed");
}
