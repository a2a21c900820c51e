//! What port 443 speaks. Goal: TLS 1.3, 1.2 by the switch only, and no suite that is called weak. Method: sslscan, which
//! tries everything by itself.

use std::fs;
use std::process::Command;

use crate::plant::Plant;

/// The lines in which sslscan tells versions and suites.
fn scanned(plant: &Plant) -> (Vec<String>, Vec<String>) {
    let place = plant.places.oma_tls.to_string();
    let said = Command::new("sslscan").args(["--no-colour", "--no-check-certificate", &place]).output().unwrap();
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    let versions =
        text.lines().filter(|line| line.contains("abled") && (line.starts_with("TLS") || line.starts_with("SSL")));
    let versions: Vec<String> = versions.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let suites = text.lines().filter(|line| line.starts_with("Preferred") || line.starts_with("Accepted"));
    let suites: Vec<String> = suites
        .map(|line| {
            line.split_whitespace()
                .filter(|word| word.contains("TLS") || word.contains("-"))
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    assert!(!versions.is_empty(), "{text}");
    (versions, suites)
}

fn off(version: &str) -> String {
    format!("{version} disabled")
}

#[test]
fn only_tls_13_is_spoken_and_12_by_the_switch_without_a_weak_suite() {
    let plant = Plant::new();
    plant.tunnel(&plant.places.oma_tls.to_string(), None);
    let oma = plant.site.oma();
    let old = ["SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1"].map(off);
    let (versions, suites) = scanned(&plant);
    assert_eq!(versions[..4], old);
    assert_eq!(versions[4..], ["TLSv1.2 disabled", "TLSv1.3 enabled"]);
    assert!(!suites.is_empty() && suites.iter().all(|suite| suite.starts_with("TLSv1.3 TLS_")), "{suites:#?}");
    drop(oma);

    let config = plant.site.path("oma.toml");
    let text = fs::read_to_string(&config).unwrap().replace("[tls]\n", "[tls]\nallow_tls12 = true\n");
    fs::write(&config, text).unwrap();
    let _oma = plant.site.oma();
    let (versions, suites) = scanned(&plant);
    assert_eq!(versions[..4], old);
    assert_eq!(versions[4..], ["TLSv1.2 enabled", "TLSv1.3 enabled"]);
    // Forward secrecy and an AEAD in each.
    for suite in suites.iter().filter(|suite| suite.starts_with("TLSv1.2")) {
        assert!(suite.contains("ECDHE-") && (suite.contains("-GCM-") || suite.contains("CHACHA20")), "{suites:#?}");
    }
}
