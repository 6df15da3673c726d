//! The OpenAPI 3.1 document, made from the table of operations and the types they carry.

use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

use crate::api::Problem;
use crate::operation::{Answer, OPERATIONS, Operation, PREFIX, Parameter, ParameterKind};

/// The document; `version` is Mainspring's.
pub(crate) fn document(version: &str) -> Value {
    let settings = |settings: SchemaSettings| {
        settings.with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        })
    };
    let mut requests = settings(SchemaSettings::draft2020_12().for_deserialize()).into_generator();
    let mut answers = settings(SchemaSettings::draft2020_12().for_serialize()).into_generator();
    let problem = answers.subschema_for::<Problem>();
    let mut paths = Map::new();
    for operation in OPERATIONS {
        let entry = paths.entry(format!("{PREFIX}{}", operation.path)).or_insert_with(|| json!({}));
        let method = operation.method.name().to_ascii_lowercase();
        let described = describe(operation, &mut requests, &mut answers);
        if let Some(entry) = entry.as_object_mut() {
            entry.insert(method, described);
        }
    }
    let mut schemas = answers.take_definitions(true);
    schemas.append(&mut requests.take_definitions(true));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Mainspring admin API",
            "version": version,
            "description": "Reads and changes one running node. \
                Loopback needs no token; any other client sends `Authorization: Bearer …`.",
        },
        "security": [{}, { "token": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "responses": {
                "Problem": {
                    "description": "Refused or failed; `detail` says what to do.",
                    "content": { "application/problem+json": { "schema": problem } },
                },
            },
            "schemas": schemas,
        },
    })
}

fn describe(
    operation: &Operation,
    requests: &mut SchemaGenerator,
    answers: &mut SchemaGenerator,
) -> Value {
    let mut parameters = operation.query.iter().map(query_parameter).collect::<Vec<_>>();
    if let Some(name) = operation.path_parameter() {
        parameters.push(json!({
            "name": name, "in": "path", "required": true,
            "schema": { "type": "string", "minLength": 1 },
        }));
    }
    let mut responses = Map::new();
    responses.insert("200".to_owned(), answer(&operation.answer, answers));
    for status in refusals(operation) {
        let reference = json!({ "$ref": "#/components/responses/Problem" });
        responses.insert(status.to_string(), reference);
    }
    let mut described = json!({
        "operationId": format!("{:?}", operation.id),
        "summary": operation.summary,
        "parameters": parameters,
        "responses": responses,
    });
    if let (Some(body), Some(described)) = (operation.body, described.as_object_mut()) {
        let content = json!({ "application/json": { "schema": body(requests) } });
        described.insert("requestBody".into(), json!({ "required": true, "content": content }));
    }
    described
}

fn query_parameter(parameter: &Parameter) -> Value {
    let schema = match parameter.kind {
        ParameterKind::Text => json!({ "type": "string", "minLength": 1 }),
        ParameterKind::Number { min, max } => {
            json!({ "type": "integer", "minimum": min, "maximum": max })
        }
    };
    json!({
        "name": parameter.name, "in": "query", "required": false,
        "description": parameter.about, "schema": schema,
    })
}

fn answer(answer: &Answer, answers: &mut SchemaGenerator) -> Value {
    let (about, media_type, schema) = match answer {
        Answer::Json(schema) => ("Done.", "application/json", json!(schema(answers))),
        Answer::Events(about) => (*about, "text/event-stream", json!({ "type": "string" })),
        Answer::Document => ("The document.", "application/json", json!({ "type": "object" })),
    };
    json!({ "description": about, "content": { media_type: { "schema": schema } } })
}

/// Statuses other than 200 that an operation may answer with.
fn refusals(operation: &Operation) -> Vec<u16> {
    // 400: a broken or unknown parameter. 401 and 403: the guard.
    let mut statuses = vec![400, 401, 403];
    statuses.extend_from_slice(operation.refusals);
    let asks_the_fleet = operation.body.is_some() || operation.path_parameter().is_some();
    if asks_the_fleet {
        statuses.extend([404, 500, 503]);
    }
    if operation.body.is_some() {
        statuses.extend([408, 409, 413, 415, 422]);
    }
    if !operation.query.is_empty() || matches!(operation.answer, Answer::Events(_)) {
        statuses.extend([404, 500, 503]);
    }
    statuses.sort_unstable();
    statuses.dedup();
    statuses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_in_the_document_leads_somewhere() {
        fn walk(value: &Value, document: &Value, seen: &mut usize) {
            match value {
                Value::Object(fields) => {
                    if let Some(Value::String(reference)) = fields.get("$ref") {
                        let pointer = reference.trim_start_matches('#');
                        assert!(document.pointer(pointer).is_some(), "{reference}");
                        *seen += 1;
                    }
                    fields.values().for_each(|value| walk(value, document, seen));
                }
                Value::Array(items) => items.iter().for_each(|value| walk(value, document, seen)),
                _ => {}
            }
        }
        let document = document("1.2.3");
        let mut seen = 0;
        walk(&document, &document, &mut seen);
        assert!(seen > 100, "{seen}");
        assert_eq!(document.pointer("/info/version"), Some(&json!("1.2.3")));
    }
}
