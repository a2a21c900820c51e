//! Answers of vCenter: the envelope, its fault, and what each method returns. What vCenter leaves out is `None` or an
//! error that names it; nothing is assumed.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::request::Ref;
use super::vm;
use super::xml::{BadXml, Element, parse};
use crate::limits;
use crate::model::text::bounded;
use crate::model::vmware::{Fault, FaultKind};

/// Where vCenter's managers are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceContent {
    /// Its version as SOAPAction wants it, for example `6.5` or `7.0.3.0`.
    pub api_version: String,
    /// Logs in and out.
    pub session_manager: Ref,
    /// Reads properties.
    pub property_collector: Ref,
    /// Finds by path.
    pub search_index: Ref,
}

/// One page of `QueryChangedDiskAreas`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Where it begins.
    pub start: u64,
    /// How far it reaches; the next page begins behind it.
    pub length: i64,
    /// Start and length of each area.
    pub areas: Vec<(u64, u64)>,
}

/// A part of the properties that were asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Properties {
    /// The objects in it.
    pub objects: Vec<Object>,
    /// Continues the answer; `None` in its last part.
    pub token: Option<String>,
}

/// What was read of one object.
#[derive(Debug, PartialEq, Eq)]
pub struct Object {
    /// Its id.
    pub id: String,
    /// What its properties say, as far as they are of use here.
    pub properties: BTreeMap<String, Property>,
    /// The properties that were not to be had, and the fault's type.
    pub missing: Vec<(String, String)>,
}

pub use super::vm::{Property, Snapshots, VirtualDisk};

/// Takes an answer apart: the element that a method's answer is in, or the fault. `status` is HTTP's.
pub fn with_answer<T>(
    method: &'static str,
    status: u16,
    body: &[u8],
    read: impl FnOnce(&Element<'_>) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let root = match parse(body) {
        Ok(root) => root,
        // A proxy's page or an overload says more by its status than by where its XML fails.
        Err(_) if !matches!(status, 200 | 500) => return Err(broken(method, &format!("status {status} without SOAP"))),
        Err(BadXml { at, problem }) => {
            let what = if body.is_empty() { "an empty answer".to_owned() } else { format!("byte {at}: {problem}") };
            return Err(broken(method, &format!("no SOAP answer (status {status}): {what}")));
        }
    };
    let Some(envelope) = root.child("Body").filter(|_| root.name == "Envelope") else {
        return Err(broken(method, &format!("<{}> instead of a SOAP envelope (status {status})", bounded(root.name))));
    };
    if let Some(fault) = envelope.child("Fault") {
        return Err(fault_of(method, fault));
    }
    match envelope.children.first() {
        Some(answer) if answer.name.strip_suffix("Response") == Some(method) => read(answer),
        _ => Err(broken(method, "an envelope without its answer")),
    }
}

/// An answer that is not as the protocol says.
pub fn broken(method: &str, problem: &str) -> Fault {
    Fault { kind: FaultKind::Broken, message: format!("vCenter's answer to {method} is not understood: {problem}") }
}

fn fault_of(method: &str, fault: &Element<'_>) -> Fault {
    let text = bounded(fault.text_of("faultstring").unwrap_or(""));
    // <detail><FileFaultFault xsi:type="FileFault">; the element alone tells where the type is missing.
    let detail = fault.child("detail").and_then(|detail| detail.children.first());
    let type_of = |detail: &Element<'_>| match &*detail.kind {
        "" => detail.name.strip_suffix("Fault").unwrap_or(detail.name).to_owned(),
        kind => kind.to_owned(),
    };
    let name = bounded(&detail.map(type_of).unwrap_or_else(|| {
        // vCenter's own XML layer gives the type in the code alone, as `vim25:NotAuthenticated`.
        let code = fault.text_of("faultcode").unwrap_or("");
        code.rsplit_once(':').map_or(code, |(_, code)| code).to_owned()
    }));
    let property = detail.and_then(|detail| detail.text_of("invalidProperty")).map(bounded);
    let object = detail.and_then(|detail| detail.text_of("obj")).map(bounded);
    let privilege = detail.and_then(|detail| detail.text_of("privilegeId")).map(bounded);
    let file = detail.and_then(|detail| detail.text_of("file")).map(bounded);
    let kind = match &*name {
        "NotAuthenticated" => FaultKind::NotAuthenticated,
        "InvalidLogin" | "InvalidLocale" | "PasswordExpired" => FaultKind::LoginRefused,
        "NoPermission" => FaultKind::NoPermission,
        "FileFault" | "FileNotFound" | "CannotAccessFile" | "FileLocked" => FaultKind::ChangeIdRefused,
        "InvalidArgument" if property.as_deref() == Some("changeId") => FaultKind::ChangeIdRefused,
        "InvalidArgument" => FaultKind::InvalidArgument,
        "NotFound" => FaultKind::SnapshotGone,
        "ManagedObjectNotFound" => match detail.and_then(|detail| detail.child("obj")).map(|obj| &*obj.kind) {
            Some("VirtualMachine") => FaultKind::NoSuchVm,
            _ => FaultKind::SnapshotGone,
        },
        "NotSupported" | "MethodNotFound" | "NotImplemented" => FaultKind::NotSupported,
        _ => FaultKind::Other,
    };
    let about = [("property", property), ("object", object), ("privilege", privilege), ("file", file)];
    let about: Vec<String> = about.into_iter().filter_map(|(what, text)| Some(format!("{what} {}", text?))).collect();
    let about = if about.is_empty() { String::new() } else { format!(" ({})", about.join(", ")) };
    let text = if text.is_empty() { String::new() } else { format!(": {text}") };
    Fault { kind, message: bounded(&format!("{method} failed with {name}{about}{text}")) }
}

/// Where everything is.
pub fn service_content(answer: &Element<'_>) -> Result<ServiceContent, Fault> {
    const METHOD: &str = "RetrieveServiceContent";
    let content = answer.child("returnval").ok_or_else(|| broken(METHOD, "no content"))?;
    let manager = |name: &'static str| {
        content.child(name).and_then(reference).ok_or_else(|| broken(METHOD, &format!("no {name}")))
    };
    let version = content.descendant(&["about", "apiVersion"]).map_or("", |version| version.text.trim());
    let is_version =
        !version.is_empty() && version.len() <= 32 && version.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if !is_version {
        return Err(broken(METHOD, &format!("{:?} is no version", bounded(version))));
    }
    Ok(ServiceContent {
        api_version: version.to_owned(),
        session_manager: manager("sessionManager")?,
        property_collector: manager("propertyCollector")?,
        search_index: manager("searchIndex")?,
    })
}

/// The object that was found; `None` where there is none.
pub fn found(answer: &Element<'_>) -> Option<Ref> {
    answer.child("returnval").and_then(reference)
}

/// One page of areas.
pub fn changed_areas(answer: &Element<'_>) -> Result<Page, Fault> {
    const METHOD: &str = "QueryChangedDiskAreas";
    let info = answer.child("returnval").ok_or_else(|| broken(METHOD, "no page"))?;
    let number = |name: &str| {
        let text = info.text_of(name).unwrap_or("");
        text.parse::<i64>().map_err(|_| broken(METHOD, &format!("{name} is {:?}", bounded(text))))
    };
    let start = number("startOffset")?;
    let start = u64::try_from(start).map_err(|_| broken(METHOD, &format!("the page starts at {start}")))?;
    let mut areas = Vec::new();
    for area in info.all("changedArea") {
        let whole = area.number_of::<u64>("start").zip(area.number_of::<u64>("length"));
        areas.push(whole.ok_or_else(|| broken(METHOD, "an area without start or length"))?);
    }
    Ok(Page { start, length: number("length")?, areas })
}

/// A part of the properties.
pub fn properties(method: &'static str, answer: &Element<'_>) -> Result<Properties, Fault> {
    // No object at all is an answer without a value.
    let Some(result) = answer.child("returnval") else { return Ok(Properties { objects: Vec::new(), token: None }) };
    let mut objects = Vec::new();
    for object in result.all("objects") {
        let id =
            object.text_of("obj").filter(|id| !id.is_empty()).ok_or_else(|| broken(method, "an object without id"))?;
        let mut properties = BTreeMap::new();
        for set in object.all("propSet") {
            if let (Some(name), Some(value)) = (set.text_of("name"), set.child("val")) {
                let read = vm::property(name, value).map_err(|why| broken(method, &why))?;
                properties.extend(read.map(|read| (name.to_owned(), read)));
            }
        }
        let missing = object.all("missingSet").filter_map(|missing| {
            let fault = missing.descendant(&["fault", "fault"]).map_or("", |fault| &fault.kind);
            Some((bounded(missing.text_of("path")?), bounded(fault)))
        });
        let missing: Vec<(String, String)> = missing.collect();
        // A session that has ended shows here as well, property by property.
        if missing.iter().any(|(_, fault)| fault == "NotAuthenticated") {
            let message = format!("{method} of {} failed with NotAuthenticated", bounded(id));
            return Err(Fault { kind: FaultKind::NotAuthenticated, message });
        }
        objects.push(Object { id: id.to_owned(), properties, missing });
    }
    let token = result.text_of("token").filter(|token| !token.is_empty()).map(str::to_owned);
    Ok(Properties { objects, token })
}

pub(super) fn reference(element: &Element<'_>) -> Option<Ref> {
    let id = element.text.trim();
    let is_id = !id.is_empty() && id.len() <= limits::ID_BYTES && !element.kind.is_empty();
    is_id.then(|| Ref { kind: Cow::Owned(element.kind.to_string()), id: id.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const METHOD: &str = "QueryChangedDiskAreas";

    fn envelope(body: &str) -> String {
        format!(
            "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\"><soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
        )
    }
    fn page(status: u16, text: &str) -> Result<Page, Fault> {
        with_answer(METHOD, status, text.as_bytes(), changed_areas)
    }
    fn fault(code: &str, text: &str, detail: &str) -> (FaultKind, String) {
        let body = envelope(&format!(
            "<soapenv:Fault><faultcode>{code}</faultcode><faultstring>{text}</faultstring><detail>{detail}</detail></soapenv:Fault>"
        ));
        let fault = page(500, &body).expect_err("a fault");
        (fault.kind, fault.message)
    }

    #[test]
    fn a_page_has_its_areas_and_may_have_none() {
        let area = |start: u64, length: u64| {
            format!("<changedArea><start>{start}</start><length>{length}</length></changedArea>")
        };
        let answer = |inside: &str| {
            envelope(&format!(
                "<QueryChangedDiskAreasResponse xmlns=\"urn:vim25\"><returnval>{inside}</returnval></QueryChangedDiskAreasResponse>"
            ))
        };
        let text = answer(&format!(
            "<startOffset>65536</startOffset><length>200000</length>{}{}",
            area(65_536, 1),
            area(1 << 45, 1 << 40)
        ));
        let expected = Page { start: 65_536, length: 200_000, areas: vec![(65_536, 1), (1 << 45, 1 << 40)] };
        assert_eq!(page(200, &text), Ok(expected));
        let empty = answer("<startOffset>0</startOffset><length>5</length>");
        assert_eq!(page(200, &empty), Ok(Page { start: 0, length: 5, areas: Vec::new() }));

        let refused = |inside: &str| page(200, &answer(inside)).expect_err("refused").message;
        let about = "vCenter's answer to QueryChangedDiskAreas is not understood: ";
        assert_eq!(refused("<length>5</length>"), format!("{about}startOffset is \"\""));
        assert_eq!(refused("<startOffset>-1</startOffset><length>5</length>"), format!("{about}the page starts at -1"));
        let half = "<startOffset>0</startOffset><length>5</length><changedArea><start>0</start></changedArea>";
        assert_eq!(refused(half), format!("{about}an area without start or length"));
    }

    #[test]
    fn each_fault_of_vcenter_has_its_kind_and_says_what_it_is_about() {
        let file = "<FileFaultFault xsi:type=\"FileFault\"><file>[ds1] x.vmdk</file></FileFaultFault>";
        assert_eq!(
            fault("ServerFaultCode", "Error caused by file", file),
            (
                FaultKind::ChangeIdRefused,
                "QueryChangedDiskAreas failed with FileFault (file [ds1] x.vmdk): Error caused by file".to_owned()
            )
        );
        let argument = |property: &str| {
            format!(
                "<InvalidArgumentFault xsi:type=\"InvalidArgument\"><invalidProperty>{property}</invalidProperty></InvalidArgumentFault>"
            )
        };
        assert_eq!(fault("", "", &argument("changeId")).0, FaultKind::ChangeIdRefused, "as FileFault (vsphere.md)");
        let (kind, message) = fault("", "", &argument("deviceKey"));
        assert_eq!(
            (kind, &*message),
            (FaultKind::InvalidArgument, "QueryChangedDiskAreas failed with InvalidArgument (property deviceKey)")
        );
        let gone = |object: &str| {
            format!(
                "<ManagedObjectNotFoundFault xsi:type=\"ManagedObjectNotFound\"><obj type=\"{object}\">x-1</obj></ManagedObjectNotFoundFault>"
            )
        };
        assert_eq!(fault("", "", &gone("VirtualMachineSnapshot")).0, FaultKind::SnapshotGone);
        assert_eq!(fault("", "", &gone("VirtualMachine")).0, FaultKind::NoSuchVm);
        for (name, kind) in [
            ("NotFound", FaultKind::SnapshotGone),
            ("NotAuthenticated", FaultKind::NotAuthenticated),
            ("InvalidLogin", FaultKind::LoginRefused),
            ("NoPermission", FaultKind::NoPermission),
            ("NotSupported", FaultKind::NotSupported),
            ("SystemError", FaultKind::Other),
        ] {
            assert_eq!(fault("", "", &format!("<{name}Fault xsi:type=\"{name}\"/>")).0, kind, "{name}");
            assert_eq!(fault("", "", &format!("<{name}Fault/>")).0, kind, "{name}, by its element");
            assert_eq!(fault(&format!("vim25:{name}"), "", "").0, kind, "{name}, by its code");
        }
    }

    #[test]
    fn a_property_that_is_withheld_is_named_and_an_ended_session_is_one() {
        let answer = |fault: &str| {
            let missing = format!(
                "<missingSet><path>layoutEx</path><fault><fault xsi:type=\"{fault}\"/><localizedMessage/></fault></missingSet>"
            );
            let name = "<propSet><name>name</name><val xsi:type=\"xsd:string\">web01</val></propSet>";
            let object = format!("<objects><obj type=\"VirtualMachine\">vm-1</obj>{name}{missing}</objects>");
            let body = envelope(&format!(
                "<RetrievePropertiesExResponse><returnval>{object}</returnval></RetrievePropertiesExResponse>"
            ));
            with_answer("RetrievePropertiesEx", 200, body.as_bytes(), |answer| {
                properties("RetrievePropertiesEx", answer)
            })
        };
        let read = answer("NoPermission").expect("an object");
        assert_eq!(read.objects[0].missing, [("layoutEx".to_owned(), "NoPermission".to_owned())]);
        assert_eq!(read.objects[0].properties["name"], Property::Text("web01".to_owned()));
        assert_eq!(answer("NotAuthenticated").expect_err("it has ended").kind, FaultKind::NotAuthenticated);
    }

    #[test]
    fn what_is_no_soap_is_named_by_status_and_place() {
        let message = |status, text: &str| page(status, text).expect_err("refused").message;
        let about = "vCenter's answer to QueryChangedDiskAreas is not understood: ";
        assert_eq!(message(503, "Service Unavailable"), format!("{about}status 503 without SOAP"));
        assert_eq!(message(200, ""), format!("{about}no SOAP answer (status 200): an empty answer"));
        assert_eq!(
            message(404, "<html><body/></html>"),
            format!("{about}<html> instead of a SOAP envelope (status 404)")
        );
        assert_eq!(message(200, &envelope("<LoginResponse/>")), format!("{about}an envelope without its answer"));
        let cut = envelope("<QueryChangedDiskAreasResponse>");
        assert!(message(200, &cut[..cut.len() - 40]).contains("byte "), "{}", message(200, &cut));
    }
}
