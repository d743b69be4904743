//! The runner agrees with good files, and with no file that was changed.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

const SIGMA: &str = include_str!("../../vectors/sigma-v2.json");
const CHALLENGE: &str = include_str!("../../vectors/challenge-v1.json");
const CLIENT_ID: &str = include_str!("../../vectors/client-id-v1.json");
#[cfg(feature = "chain-vrf")]
const VRF: &str = include_str!("../../vectors/chain-vrf-v1.json");

fn sigma() -> Value {
    serde_json::from_str(SIGMA).unwrap()
}

fn run(file: &Value) -> Report {
    check(&file.to_string()).unwrap()
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,40}".prop_map(Value::from),
        "([0-9a-fA-F]{2}){0,100}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{1,9}", inner, 0..4).prop_map(Value::from_iter),
        ]
    })
}

/// Every value of a file, as a JSON pointer.
fn each_place(value: &Value, at: String, places: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                each_place(value, format!("{at}/{name}"), places);
            }
        }
        Value::Array(values) => {
            for (i, value) in values.iter().enumerate() {
                each_place(value, format!("{at}/{i}"), places);
            }
        }
        _ => {}
    }
    places.push(at);
}

#[test]
fn the_libsodium_files_agree() {
    assert_eq!(
        check(SIGMA).unwrap().to_string(),
        "accepted 24, rejected 87, disagree 0"
    );
    assert_eq!(
        check(CHALLENGE).unwrap().to_string(),
        "accepted 12, rejected 25, disagree 0"
    );
}

#[cfg(feature = "chain-vrf")]
#[test]
fn the_vrf_file_of_another_implementation_agrees_in_every_value() {
    let file = || serde_json::from_str::<Value>(VRF).unwrap();
    assert_eq!(
        run(&file()).to_string(),
        "accepted 12, rejected 12, disagree 0"
    );
    for field in ["secret", "public", "alpha", "proof", "output"] {
        let mut file = file();
        file["accepted"][0][field] = file["accepted"][1][field].clone();
        assert_eq!(run(&file).disagreements.len(), 1, "{field}");
    }
    let mut changed = file();
    changed["rejected"][0]["reason"] = "length".into();
    assert_eq!(run(&changed).disagreements.len(), 1);
    let mut good = file();
    good["rejected"][0]["proof"] = good["accepted"][0]["proof"].clone();
    assert_eq!(run(&good).disagreements.len(), 1);
}

#[test]
fn a_rejected_case_that_is_good_disagrees_and_so_does_an_accepted_one_that_is_bad() {
    let mut file = sigma();
    let mut good = file["accepted"][0].clone();
    let mut bad = file["rejected"][40].clone();
    good["name"] = "good".into();
    good["reason"] = "any".into();
    bad["name"] = "bad".into();
    file["rejected"].as_array_mut().unwrap().push(good);
    file["accepted"].as_array_mut().unwrap().push(bad);
    let report = run(&file);
    assert_eq!(report.to_string(), "accepted 24, rejected 87, disagree 2");
    let names: Vec<_> = report.disagreements.iter().map(|d| &*d.name).collect();
    assert_eq!(names, ["bad", "good"]);
}

#[test]
fn a_long_text_is_named_by_its_beginning() {
    let file = json!({
        "suite": "2FApi-v1.0-ClientId",
        "valid": ["é".repeat(200), "a b"],
        "invalid": ["alice"],
    });
    let report = run(&file);
    let names: Vec<_> = report.disagreements.iter().map(|d| &*d.name).collect();
    let long = format!("{}... (400 bytes)", "é".repeat(140));
    assert_eq!(names, [&long, "a b", "alice"]);
}

#[test]
fn every_value_that_is_given_is_compared() {
    for field in [
        "transcript",
        "challenge",
        "k_s",
        "k_r",
        "secret",
        "blinding",
    ] {
        let mut file = sigma();
        let other = file["accepted"][1][field].clone();
        file["accepted"][0][field] = other;
        let report = run(&file);
        assert_eq!(report.disagreements.len(), 1, "{field}");
        assert_eq!(report.disagreements[0].name, "authentication-0");
    }
}

/// What each case of a list is changed to, one after the other, in files of their own.
fn changed(file: &Value, list: &str, field: &str, others: &[&str]) -> Vec<(String, Value)> {
    let mut files = Vec::new();
    for (at, case) in file[list].as_array().unwrap().iter().enumerate() {
        for other in others.iter().filter(|other| case[field] != **other) {
            let mut file = file.clone();
            // What is not changed is known to agree, and need not be looked at again.
            for list in ["accepted", "rejected"] {
                file[list] = json!([]);
            }
            file[list] = json!([case]);
            file[list][0][field] = (*other).into();
            files.push((format!("{list} {at} {field} {other}"), file));
        }
    }
    files
}

const REASONS: [&str; 9] = [
    "client_id",
    "nonce_length",
    "binding",
    "length",
    "point_encoding",
    "identity",
    "scalar_encoding",
    "zero_response",
    "equation",
];
const PURPOSES: [&str; 6] = [
    "enrolment",
    "authentication",
    "rotation",
    "linking",
    "unlinking",
    "joining",
];

fn linking() -> Value {
    let text = include_str!("../../vectors/linking-v1.json");
    let mut file: Value = serde_json::from_str(text).unwrap();
    for (list, cases) in file.as_object_mut().unwrap() {
        if !["suite", "accepted", "rejected"].contains(&list.as_str()) {
            *cases = json!([]);
        }
    }
    file
}

fn link_proofs() -> Value {
    serde_json::from_str(include_str!("../../vectors/link-proof-v1.json")).unwrap()
}

fn generated() -> Value {
    serde_json::from_str(include_str!("../../vectors/sigma-generated-v1.json")).unwrap()
}

#[test]
fn a_changed_reason_disagrees_and_any_agrees_with_every_one() {
    for file in [sigma(), generated(), linking(), link_proofs()] {
        let mut seen = 0;
        for (what, file) in changed(&file, "rejected", "reason", &REASONS) {
            let was_any = file["rejected"][0]["name"]
                .as_str()
                .unwrap()
                .starts_with("bit-flip");
            if !was_any {
                assert_eq!(run(&file).disagreements.len(), 1, "{what}");
                seen += 1;
            }
        }
        assert!(seen > 400, "{seen}");
        let mut all_any = file.clone();
        for case in all_any["rejected"].as_array_mut().unwrap() {
            case["reason"] = "any".into();
        }
        assert_eq!(run(&all_any), run(&file));
    }
}

#[test]
fn a_changed_purpose_disagrees() {
    for file in [sigma(), generated(), linking()] {
        let mut seen = 0;
        for list in ["accepted", "rejected"] {
            for (what, file) in changed(&file, list, "purpose", &PURPOSES) {
                let case = &file[list][0];
                // What is wrong for every purpose says nothing about the purpose.
                let whatever = ["any", "client_id", "nonce_length", "binding"];
                // As a rotation, what begins with 01 or 03 is to no element in any case.
                let neither = case["reason"] == "point_encoding" && case["purpose"] == "rotation";
                if !neither && !whatever.iter().any(|reason| case["reason"] == *reason) {
                    assert_eq!(run(&file).disagreements.len(), 1, "{what} {case}");
                    seen += 1;
                }
            }
        }
        assert!(seen > 150, "{seen}");
    }
}

#[test]
fn a_case_on_the_wrong_list_disagrees() {
    for mut file in [sigma(), generated(), linking(), link_proofs()] {
        let accepted = file["accepted"].take();
        let mut rejected = file["rejected"].take();
        let cases = accepted.as_array().unwrap().len() + rejected.as_array().unwrap().len();
        for case in rejected.as_array_mut().unwrap() {
            case.as_object_mut().unwrap().remove("reason");
        }
        file["accepted"] = rejected;
        file["rejected"] = accepted;
        for case in file["rejected"].as_array_mut().unwrap() {
            case["reason"] = "any".into();
        }
        let report = run(&file);
        assert_eq!(report.disagreements.len(), cases);
    }
}

#[test]
fn what_the_format_asks_for_has_to_be_there() {
    for (list, field) in [
        ("accepted", "purpose"),
        ("rejected", "purpose"),
        ("accepted", "name"),
        ("rejected", "proof"),
    ] {
        let mut file = sigma();
        file[list][0].as_object_mut().unwrap().remove(field);
        let error = check(&file.to_string()).unwrap_err().to_string();
        assert!(error.contains(field), "{error}");
    }
    for (field, value) in [("purpose", "enrollment"), ("reason", "because")] {
        let mut file = sigma();
        file["rejected"][0][field] = value.into();
        let error = check(&file.to_string()).unwrap_err().to_string();
        assert!(error.contains("unknown variant"), "{error}");
    }
    let mut file = sigma();
    file["rejected"][0]
        .as_object_mut()
        .unwrap()
        .remove("reason");
    assert_eq!(run(&file).disagreements.len(), 1);
    let mut file = sigma();
    file["rejected"][0]["proof"] = "no hex".into();
    assert_eq!(run(&file).disagreements.len(), 1);
    let mut file = sigma();
    file["rejected"][0]["name"] = file["rejected"][1]["name"].clone();
    let error = check(&file.to_string()).unwrap_err().to_string();
    assert!(error.contains("two cases are named"), "{error}");
    for one in ["k_s", "k_r", "secret", "blinding"] {
        let mut file = sigma();
        file["accepted"][0].as_object_mut().unwrap().remove(one);
        assert_eq!(run(&file).disagreements.len(), 1, "{one}");
    }
}

/// Every value of a file that says what comes out is changed, in a file of its own.
fn outcomes_are_compared(
    json: &str,
    suite: &str,
    fields: &[&str],
    other: impl Fn(&Value) -> Value,
) {
    let file: Value = serde_json::from_str(json).unwrap();
    assert_eq!(file["suite"], suite);
    let mut places = Vec::new();
    each_place(&file, String::new(), &mut places);
    let mut changed = 0;
    for place in places {
        let Some((_, field)) = place.rsplit_once('/') else {
            continue;
        };
        if !fields.contains(&field) {
            continue;
        }
        let mut file = file.clone();
        let value = file.pointer_mut(&place).unwrap();
        *value = other(value);
        // The other scripts are known to agree.
        let script = place
            .strip_prefix("/scripts/")
            .and_then(|rest| rest.split('/').next());
        if let Some(script) = script {
            file["scripts"] = json!([file["scripts"][script.parse::<usize>().unwrap()]]);
        }
        assert!(!run(&file).disagreements.is_empty(), "{place}");
        changed += 1;
    }
    assert!(changed > 20, "{changed} values of {suite}");
}

#[test]
fn every_answer_of_a_script_and_every_reason_is_compared() {
    let other = |value: &Value| match value {
        Value::Bool(value) => (!value).into(),
        Value::Number(number) => (number.as_u64().unwrap() ^ 1).into(),
        Value::String(text) if text == "denied" => "accepted".into(),
        Value::String(text) if text == "form" => "header".into(),
        Value::String(text) if text == "invalid_length" => "invalid_encoding".into(),
        // Of hex and of names alike.
        Value::String(text) if text.ends_with('0') => {
            format!("{}1", &text[..text.len() - 1]).into()
        }
        Value::String(text) if text.chars().all(|c| c.is_ascii_hexdigit()) => {
            format!("{}0", &text[..text.len().max(1) - 1]).into()
        }
        _ => "form".into(),
    };
    for (json, suite, fields) in [
        (
            include_str!("../../vectors/ceremony-v1.json"),
            "2FApi-v1.0-Ceremony",
            &["answer", "version", "retry_after", "nonce"][..],
        ),
        (
            include_str!("../../vectors/ceremony-link-v1.json"),
            "2FApi-v1.0-Ceremony",
            &[
                "answer",
                "version",
                "generation",
                "status",
                "state",
                "until",
                "joined",
                "called",
                "number",
                "good",
                "created",
                "since",
                "id",
                "nonce",
            ],
        ),
        (
            include_str!("../../vectors/ceremony-skew-v1.json"),
            "2FApi-v1.0-Ceremony",
            &["answer"],
        ),
        (
            include_str!("../../vectors/linking-v1.json"),
            "2FApi-v1.0-Linking",
            &["credential_id", "number", "audience"],
        ),
        (
            include_str!("../../vectors/audience-blinding-v1.json"),
            "2FApi-v1.0-AudienceBlinding",
            &["secret", "blinding"],
        ),
        (
            include_str!("../../vectors/spent-set-v1.json"),
            "2FApi-v1.0-SpentSet",
            &["answer", "retry_after", "clock"],
        ),
        (
            include_str!("../../vectors/access-token-v1.json"),
            "2FApi-v1.0-AccessToken",
            &["reason", "version", "client_id"],
        ),
        (
            include_str!("../../vectors/access-token-credential-v1.json"),
            "2FApi-v1.0-AccessToken",
            &["reason", "version", "client_id", "credential", "generation"],
        ),
        (
            include_str!("../../vectors/binding-v1.json"),
            "2FApi-v1.0-Binding",
            &["code", "permitted"],
        ),
    ] {
        outcomes_are_compared(json, suite, fields, other);
    }
}

#[test]
fn every_value_of_a_link_proof_is_compared_and_so_is_the_order_of_a_recovery() {
    let file = link_proofs();
    for field in [
        "transcript",
        "challenge",
        "k_s",
        "k_1",
        "k_2",
        "secret",
        "blinding_1",
        "blinding_2",
    ] {
        let mut file = file.clone();
        file["accepted"][0][field] = file["accepted"][1][field].clone();
        assert_eq!(run(&file).disagreements.len(), 1, "{field}");
        file["accepted"][0].as_object_mut().unwrap().remove(field);
        let alone = ["transcript", "challenge"].contains(&field);
        assert_eq!(run(&file).disagreements.is_empty(), alone, "{field}");
    }
    let text = include_str!("../../vectors/audience-blinding-v1.json");
    let file: Value = serde_json::from_str(text).unwrap();
    let mut swapped = file.clone();
    let order = swapped["recoveries"][0]["commitments"]
        .as_array_mut()
        .unwrap();
    order.swap(0, 1);
    assert_eq!(run(&swapped).disagreements.len(), 1);
    let mut short = file.clone();
    let order = short["recoveries"][0]["commitments"].as_array_mut();
    order.unwrap().pop();
    assert_eq!(run(&short).disagreements.len(), 1);
    let mut found = file.clone();
    found["not_recovered"][0]["commitment"] = file["recoveries"][0]["commitments"][32].clone();
    assert_eq!(run(&found).disagreements.len(), 1);
}

#[test]
fn a_file_of_another_maker_may_leave_out_and_add_and_write_in_capitals() {
    let mut file = sigma();
    for case in file["accepted"].as_array_mut().unwrap() {
        let case = case.as_object_mut().unwrap();
        for optional in [
            "secret",
            "blinding",
            "k_s",
            "k_r",
            "transcript",
            "challenge",
        ] {
            case.remove(optional);
        }
        let capitals = case["proof"].as_str().unwrap().to_uppercase();
        case.insert("proof".into(), capitals.into());
        case.insert("comment".into(), json!({ "anything": [1, 2] }));
    }
    file["generators"] = Value::Null;
    assert_eq!(
        run(&file).to_string(),
        "accepted 24, rejected 87, disagree 0"
    );
}

#[test]
fn what_is_no_vector_file_is_an_error_that_says_so() {
    let mut other = sigma();
    other["generators"]["H"] = other["generators"]["G"].clone();
    for (file, says) in [
        (String::new(), "not a vector file"),
        ("[]".into(), "not a vector file"),
        (r#"{"suite":"x"}"#.into(), "unknown suite"),
        (
            r#"{"suite":"2FApi-v1.0-Sigma"}"#.into(),
            "missing field `accepted`",
        ),
        (other.to_string(), "generator H must be 108d531f"),
        (
            r#"{"suite":"2FApi-v1.0-Challenge","ttl":901,"live":[],"refused":[]}"#.into(),
            "ttl must be 1 to 900 seconds",
        ),
    ] {
        let error = check(&file).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

proptest! {
    #[test]
    fn damaged_files_never_panic(
        which in 0_usize..3,
        at in any::<prop::sample::Index>(),
        other in any_json(),
        byte in any::<u8>(),
    ) {
        let mut file: Value = serde_json::from_str([SIGMA, CHALLENGE, CLIENT_ID][which]).unwrap();
        for list in ["accepted", "rejected", "live", "refused", "valid", "invalid"] {
            if let Some(list) = file[list].as_array_mut() {
                list.truncate(2);
            }
        }
        let mut damaged = file.to_string().into_bytes();
        let byte_at = at.index(damaged.len());
        damaged[byte_at] = byte;
        let _ = check(&String::from_utf8_lossy(&damaged));

        let mut places = Vec::new();
        each_place(&file, String::new(), &mut places);
        *file.pointer_mut(&places[at.index(places.len())]).unwrap() = other;
        let _ = check(&file.to_string());
    }

    #[test]
    fn damaged_values_never_panic_and_never_agree_by_accident(
        case in 0_usize..24,
        field in prop::sample::select(vec!["client_id", "nonce", "channel_binding", "commitment", "proof"]),
        value in "\\PC{0,200}",
    ) {
        let mut file = sigma();
        prop_assume!(file["accepted"][case][field] != value.as_str());
        file["accepted"][case][field] = value.into();
        prop_assert_eq!(run(&file).disagreements.len(), 1);
    }
}
