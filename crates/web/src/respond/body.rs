//! The plain successes: 200 with a body, 201 with a place, 204, and a page of a list.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    codes,
    endpoint::{Operation, Respond, ResponseSpec},
    respond::Problem,
};

const JSON: &str = "application/json";

/// Room for a typical entity, so that serialising one does not reallocate.
const BODY_CAPACITY: usize = 512;

/// A JSON body of `status`; a value that does not serialise is a defect, answered as one.
fn json_bytes(status: StatusCode, value: &impl Serialize) -> Response {
    let mut bytes = Vec::with_capacity(BODY_CAPACITY);
    if let Err(error) = serde_json::to_writer(&mut bytes, value) {
        return Problem::new(codes::INTERNAL).caused_by(error).into_response();
    }
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
    response
}

/// 200 with a JSON body.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<T: Serialize + JsonSchema> Respond for Json<T> {
    fn describe(operation: &mut Operation) {
        let schema = operation.output_schema::<T>();
        operation.answers(ResponseSpec {
            status: StatusCode::OK,
            description: "Done",
            body: Some((JSON, schema)),
            headers: &[],
        });
    }

    fn respond(self) -> Response {
        json_bytes(StatusCode::OK, &self.0)
    }
}

/// 201 with a JSON body and the place of what was created.
#[derive(Clone, Debug)]
pub struct Created<T> {
    location: String,
    body: T,
}

impl<T> Created<T> {
    /// `location` is a path of this service (`/users/…`) of visible ASCII characters.
    pub fn at(location: String, body: T) -> Self {
        Self { location, body }
    }
}

impl<T: Serialize + JsonSchema> Respond for Created<T> {
    fn describe(operation: &mut Operation) {
        let schema = operation.output_schema::<T>();
        operation.answers(ResponseSpec {
            status: StatusCode::CREATED,
            description: "Created",
            body: Some((JSON, schema)),
            headers: &[("location", "Where it is")],
        });
    }

    fn respond(self) -> Response {
        let Ok(location) = HeaderValue::try_from(self.location) else {
            return Problem::new(codes::INTERNAL)
                .caused_by("the location of a created resource is not a header value")
                .into_response();
        };
        let mut response = json_bytes(StatusCode::CREATED, &self.body);
        response.headers_mut().insert(header::LOCATION, location);
        response
    }
}

/// 204.
#[derive(Clone, Copy, Debug)]
pub struct NoContent;

impl Respond for NoContent {
    fn describe(operation: &mut Operation) {
        operation.answers(ResponseSpec {
            status: StatusCode::NO_CONTENT,
            description: "Done",
            body: None,
            headers: &[],
        });
    }

    fn respond(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

/// One page of a list. Answered with 200.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "{T}Page")]
pub struct Page<T> {
    /// The entries of this page, in the list's order.
    pub items: Vec<T>,
    /// Pass it as `cursor` to get the next page; null on the last one.
    pub next_cursor: Option<String>,
}

impl<T: Serialize + JsonSchema> Respond for Page<T> {
    fn describe(operation: &mut Operation) {
        let schema = operation.output_schema::<Self>();
        operation.answers(ResponseSpec {
            status: StatusCode::OK,
            description: "One page of the list",
            body: Some((JSON, schema)),
            headers: &[],
        });
    }

    fn respond(self) -> Response {
        json_bytes(StatusCode::OK, &self)
    }
}
