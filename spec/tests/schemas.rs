//! The vector files are what their schemas say, and the schemas refuse what they should.

use std::{fs, path::PathBuf};

use serde_json::Value;

fn json(path: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("vectors")
        .join(path);
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("JSON")
}

fn schema(kind: &str) -> jsonschema::Validator {
    jsonschema::draft202012::new(&json(&format!("schema/{kind}.schema.json"))).expect("a schema")
}

const FILES: [(&str, &str); 23] = [
    ("sigma-v2.json", "sigma"),
    ("sigma-generated-v1.json", "sigma"),
    ("challenge-v1.json", "challenge"),
    ("challenge-generated-v1.json", "challenge"),
    ("challenge-ttl-1-v1.json", "challenge"),
    ("challenge-ttl-900-v1.json", "challenge"),
    ("client-id-v1.json", "client-id"),
    ("recovery-phrase-v1.json", "recovery-phrase"),
    ("binding-v1.json", "binding"),
    ("binding-dpop-v1.json", "binding"),
    ("linking-v1.json", "linking"),
    ("audience-blinding-v1.json", "audience-blinding"),
    ("link-proof-v1.json", "link-proof"),
    ("spent-set-v1.json", "spent-set"),
    ("ceremony-v1.json", "ceremony"),
    ("ceremony-link-v1.json", "ceremony"),
    ("ceremony-skew-v1.json", "ceremony"),
    ("access-token-v1.json", "access-token"),
    ("access-token-credential-v1.json", "access-token"),
    ("knowledge-v1.json", "knowledge"),
    ("chain-vrf-v1.json", "chain-vrf"),
    ("chain-session-v1.json", "chain-session"),
    ("chain-sigma-v1.json", "chain-sigma"),
];

#[test]
fn every_file_is_what_its_schema_says() {
    for (file, kind) in FILES {
        if let Err(error) = schema(kind).validate(&json(file)) {
            panic!("{file}: {error} at {}", error.instance_path());
        }
    }
}

#[test]
fn a_schema_refuses_a_file_of_another_kind_and_a_damaged_one() {
    for (file, kind) in FILES {
        for (_, other) in FILES {
            assert_eq!(schema(other).is_valid(&json(file)), other == kind, "{file}");
        }
    }
    let mut damaged = json("sigma-v2.json");
    damaged["accepted"][0]["proof"] = "abc".into();
    assert!(!schema("sigma").is_valid(&damaged));
    for (list, field) in [
        ("accepted", "purpose"),
        ("rejected", "purpose"),
        ("rejected", "reason"),
    ] {
        let mut damaged = json("sigma-v2.json");
        damaged[list][0].as_object_mut().unwrap().remove(field);
        assert!(!schema("sigma").is_valid(&damaged), "{list} {field}");
    }
}
