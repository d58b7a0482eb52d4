//! The matrix for machines.

use serde_json::{Map, Value, json};

use super::{Finding, Matrix, matrix::Row};

impl Matrix {
    /// `{"endpoints": […], "findings": […], "green": bool}`; each endpoint has its place in the
    /// source and a cell for each column.
    pub fn to_json(&self) -> Value {
        json!({
            "endpoints": self.rows.iter().map(endpoint).collect::<Vec<_>>(),
            "findings": self.findings().iter().map(finding).collect::<Vec<_>>(),
            "green": self.is_green(),
        })
    }
}

fn endpoint(row: &Row) -> Value {
    let cells = row.cells.iter().map(|(column, cell)| {
        let mut value = json!({ "decided": cell.wrong.is_empty(), "says": cell.says });
        if let Some(reason) = cell.reason {
            value["reason"] = reason.into();
        }
        (column.name().to_owned(), value)
    });
    json!({
        "method": row.method,
        "path": row.path,
        "module": row.module,
        "handler": row.handler,
        "file": row.file,
        "line": row.line,
        "cells": cells.collect::<Map<_, _>>(),
    })
}

fn finding(finding: &Finding) -> Value {
    let Finding { file, line, method, path, column, sentence } = finding;
    json!({
        "file": file,
        "line": line,
        "method": method,
        "path": path,
        "column": column.name(),
        "sentence": sentence,
    })
}
