//! `[vcenter]` of `vma.toml`: where vCenter is, and how it is known to be the right one. There is no switch that trusts
//! anyone, and no secret stands in the file.

use super::fault::Fault;
use super::section::Section;
use super::settings::VcenterConfig;
use crate::wire::origin::Origin;
use crate::wire::thumbprint::Thumbprint;

/// The keys that may stand in it.
pub(super) const KEYS: [&str; 5] = ["url", "username_file", "password_file", "ca_file", "thumbprint"];

const SERVICE: &str = "/sdk";
const URL: &str = "\"https://vcenter.example/sdk\"";
const THUMBPRINT: &str = "the one that `openssl s_client -connect HOST:443 </dev/null | openssl x509 -noout -fingerprint \
     -sha256` prints, compared on vCenter's own console";

/// Reads the section; notes every fault.
pub(super) fn read(section: &Section<'_>, faults: &mut Vec<Fault>) -> Option<VcenterConfig> {
    let url = section.required_text(faults, "url", URL);
    let origin = url.and_then(|url| match Origin::with_path(url, SERVICE) {
        Ok(found) => Some(found),
        Err(bad) => {
            section.note(faults, "url", bad.to_string(), bad.remedy());
            None
        }
    });
    let username_file = section.optional_path(faults, "username_file", "/etc/waybill/vcenter.user");
    let password_file = section.optional_path(faults, "password_file", "/etc/waybill/vcenter.password");
    let ca_file = section.optional_path(faults, "ca_file", "/etc/waybill/vcenter-ca.pem");
    let thumbprint = section.text(faults, "thumbprint", THUMBPRINT).and_then(|text| match Thumbprint::parse(text) {
        Ok(thumbprint) => Some(thumbprint),
        Err(bad) => {
            section.note(faults, "thumbprint", bad.to_string(), format!("write {THUMBPRINT}"));
            None
        }
    });
    if !section.has("ca_file") && !section.has("thumbprint") {
        let problem = "is missing, and so is `ca_file`: nothing says which server is the right one";
        section.note(
            faults,
            "thumbprint",
            problem,
            format!("write {THUMBPRINT}; or ca_file = \"...\", vCenter's authority"),
        );
    }
    let (origin, path) = origin?;
    Some(VcenterConfig { origin, path, username_file, password_file, ca_file, thumbprint })
}
