//! What people see of a configuration: the defaults that are promised, and for every mistake the file, the line, the key
//! and what to write instead.

use std::path::Path;
use std::time::Duration;

use waybill::config::{OmaConfig, OnStall, Role, SpoolWay, VmaConfig, VmaWay, role_of};

const VMA_FILE: &str = include_str!("../packaging/config/vma.toml");
const OMA_FILE: &str = include_str!("../packaging/config/oma.toml");

#[test]
fn a_vma_needs_only_a_name_and_the_rest_is_as_promised() {
    let config = VmaConfig::parse("name = \"site-a\"", "vma.toml").expect("the least file");
    assert_eq!(config.name.as_str(), "site-a");
    assert_eq!(config.database, Path::new("/var/lib/waybill/vma.db"));
    assert_eq!(config.listen.to_string(), "127.0.0.1:8081");
    assert!(config.auto_initialize);
    assert_eq!(config.keep_finished, Duration::from_secs(7 * 86_400));
    assert_eq!(config.changeid_spool, None);
}

const SPOOL_REMEDY: &str =
    "remedy: write oma = \"http://127.0.0.1:18082\", the near end of the tunnel to the OMA's own `listen`";

/// A mover that is told of no other URL asks `http://localhost:8082`; a spool that would forward to nobody, or to itself,
/// is refused by name.
#[test]
fn f37_a_spool_is_where_movers_look_and_never_without_a_way_to_the_oma() {
    let text = "name='a'\n[changeid_spool]\noma='http://127.0.0.1:18082'";
    let spool = VmaConfig::parse(text, "vma.toml").expect("valid").changeid_spool.expect("a spool");
    let SpoolWay::Forward(oma) = &spool.oma else { panic!("{spool:?}") };
    assert_eq!((spool.listen.to_string().as_str(), oma.authority().as_str()), ("127.0.0.1:8082", "127.0.0.1:18082"));
    let shipped = VmaConfig::parse(VMA_FILE, "vma.toml").expect("as shipped");
    assert_eq!((shipped.changeid_spool, shipped.vcenter), (Some(spool), None));

    let refuse = |text: &str| VmaConfig::parse(text, "/etc/vma.toml").expect_err(text).to_string();
    check(
        &[
            (
                "name = 'a'\n[changeid_spool]\nlisten = '127.0.0.1:8082'",
                &["vma.toml:2: changeid_spool.oma: is missing, and there is neither [tunnel] nor [tls]", SPOOL_REMEDY],
            ),
            ("name = 'a'\n\n[changeid_spool]", &["vma.toml:3: changeid_spool.oma: is missing", SPOOL_REMEDY]),
            (
                "name = 'a'\n[changeid_spool]\noma = 'http://localhost:8082'",
                &[
                    "vma.toml:3: changeid_spool.oma: \"http://localhost:8082\" is where the spool itself listens",
                    SPOOL_REMEDY,
                ],
            ),
            (
                "name = 'a'\n[changeid_spool]\noma = 'http://127.0.0.1:8081'",
                &["changeid_spool.oma: \"http://127.0.0.1:8081\" is where this VMA listens for progress", SPOOL_REMEDY],
            ),
            (
                "name = 'a'\n[changeid_spool]\noma = 'http://oma.example:8082'",
                &["vma.toml:3: changeid_spool.oma: host \"oma.example\" is not this machine", "by SSH or stunnel"],
            ),
            (
                "name = 'a'\n[changeid_spool]\noma = 'https://127.0.0.1'",
                &["vma.toml:3: changeid_spool.oma: https is not possible here"],
            ),
            ("name = 'a'\n[changeid_spool]\noma = 8082", &["vma.toml:3: changeid_spool.oma: is an integer"]),
            (
                "name = 'a'\n[changeid_spool]\noma = 'http://[::1]:1'\nlisten = '0.0.0.0:8082'",
                &["vma.toml:4: changeid_spool.listen: 0.0.0.0 is not a loopback address"],
            ),
            (
                "name = 'a'\n[changeid_spool]\noma = 'http://[::1]:1'\nlisten = '127.0.0.1:8081'",
                &["vma.toml:4: changeid_spool.listen: 127.0.0.1:8081 is the `listen` of the movers' progress already"],
            ),
            (
                "name = 'a'\n[changeid_spool]\nomma = 'http://[::1]:1'",
                &[
                    "vma.toml:3: changeid_spool.omma: unknown key; did you mean `oma`?",
                    "changeid_spool.oma: is missing",
                ],
            ),
            (
                "name = 'a'\nchangeid_spool = true",
                &["vma.toml:2: changeid_spool: is a boolean", "a line [changeid_spool]"],
            ),
        ],
        refuse,
    );
}

#[test]
fn an_oma_needs_nothing_and_the_rest_is_as_promised() {
    let config = OmaConfig::parse("", "oma.toml").expect("an empty file");
    assert_eq!(config.database, Path::new("/var/lib/waybill/oma.db"));
    assert_eq!(config.listen.to_string(), "127.0.0.1:8082");
    assert!(!config.discover);
    assert_eq!(config.poll.interval, Duration::from_secs(2));
    assert_eq!(config.poll.timeout, Duration::from_secs(10));
    assert_eq!(config.poll.failures_before_backoff, 3);
    assert_eq!(config.poll.backoff_max, Duration::from_secs(30));
    assert_eq!(config.poll.contact_lost_after, Duration::from_secs(300));
    assert_eq!(config.poll.queued_timeout, Duration::from_secs(3600));
    assert_eq!(config.poll.stall_after, Duration::from_secs(300));
    assert_eq!(config.poll.on_stall, OnStall::Warn);
    assert_eq!(config.throttle.min_percent.hundredths(), 100);
    assert_eq!(config.throttle.min_interval, Duration::from_secs(2));
    assert_eq!(config.throttle.contact_refresh, Duration::from_secs(30));
    assert!(config.vmas.is_empty());
}

#[test]
fn every_written_value_is_taken() {
    let config = VmaConfig::parse(
        "name='b'\ndatabase='/srv/v.db'\nlisten='[::1]:9'\nauto_initialize=false\nkeep_finished='1h'",
        "vma.toml",
    )
    .expect("valid");
    assert_eq!((config.database.as_path(), config.listen.to_string().as_str()), (Path::new("/srv/v.db"), "[::1]:9"));
    assert_eq!((config.auto_initialize, config.keep_finished), (false, Duration::from_secs(3600)));

    let config = OmaConfig::parse(
        "discover = true\nlisten = '127.1.2.3:0'\n[poll]\ninterval='250ms'\ntimeout='1s'\nfailures_before_backoff=5\n\
         backoff_max='2s'\ncontact_lost_after='4s'\nqueued_timeout='10s'\nstall_after='3s'\non_stall='fail'\n\
         [throttle]\nmin_percent=0.25\nmin_interval='0s'\ncontact_refresh='3s'\n\
         [[vma]]\nname='a'\nurl='http://localhost:1'\n[[vma]]\nname='b'\nurl='http://[::1]:2'",
        "oma.toml",
    )
    .expect("valid");
    assert!(config.discover);
    assert_eq!(config.poll.interval, Duration::from_millis(250));
    assert_eq!(config.poll.timeout, Duration::from_secs(1));
    assert_eq!(config.poll.failures_before_backoff, 5);
    assert_eq!(config.poll.backoff_max, Duration::from_secs(2));
    assert_eq!(config.poll.contact_lost_after, Duration::from_secs(4));
    assert_eq!(config.poll.queued_timeout, Duration::from_secs(10));
    assert_eq!(config.poll.stall_after, Duration::from_secs(3));
    assert_eq!(config.poll.on_stall, OnStall::Fail);
    assert_eq!(config.throttle.min_percent.hundredths(), 25);
    assert_eq!(config.throttle.min_interval, Duration::ZERO);
    assert_eq!(config.throttle.contact_refresh, Duration::from_secs(3));
    let vmas: Vec<_> = config.vmas.iter().map(|vma| (vma.name.as_str(), forward(&vma.way))).collect();
    assert_eq!(vmas, [("a", "localhost:1".to_owned()), ("b", "[::1]:2".to_owned())]);
}

fn forward(way: &VmaWay) -> String {
    let VmaWay::Forward(origin) = way else { panic!("{way:?}") };
    origin.authority()
}

#[test]
fn every_link_of_r60_is_a_configuration_and_the_files_of_tls_serve_all_of_them() {
    let text = "[tls]\nkey = '/own.key'\n[[vma]]\nname = 'direct'\nurl = 'https://vma.example'\n[[vma]]\nname = 'proxied'\n\
                url = 'https://vma.example:8443'\nproxy = 'socks5://proxy.example'\nca_file = '/ca.pem'\n\
                proxy_username_file = '/u'\nproxy_password_file = '/p'\n[[vma]]\nname = 'dials'\ntunnel = true";
    let config = OmaConfig::parse(text, "oma.toml").expect("valid");
    let tls = config.tls.expect("a listener");
    assert_eq!((tls.listen.to_string().as_str(), tls.allow_tls12), ("0.0.0.0:443", false));
    let [direct, proxied, dials] = &config.vmas[..] else { panic!("{:?}", config.vmas) };
    let VmaWay::Direct { origin, files, proxy: None } = &direct.way else { panic!("{direct:?}") };
    assert_eq!((origin.authority().as_str(), files), ("vma.example", &tls.files));
    let VmaWay::Direct { origin, files, proxy: Some(proxy) } = &proxied.way else { panic!("{proxied:?}") };
    assert_eq!(origin.authority(), "vma.example:8443");
    assert_eq!((files.key.to_str(), files.authority.to_str()), (Some("/own.key"), Some("/ca.pem")));
    assert_eq!(
        (proxy.address.to_string().as_str(), proxy.credentials.is_some()),
        ("socks5://proxy.example:1080", true)
    );
    assert_eq!(dials.way, VmaWay::Tunnel);

    let text = "name = 'a'\n[tunnel]\noma = 'oma.example'\nproxy = 'http://p:8080'\n[changeid_spool]";
    let config = VmaConfig::parse(text, "vma.toml").expect("valid");
    let tunnel = config.tunnel.as_ref().expect("a tunnel");
    assert_eq!((tunnel.oma.authority().as_str(), tunnel.oma.port), ("oma.example", 443));
    assert_eq!(tunnel.files.certificate.to_str(), Some("/etc/waybill/tls/vma.pem"));
    assert_eq!(config.changeid_spool.as_ref().map(|spool| &spool.oma), Some(&SpoolWay::Link));
    assert_eq!(config.oma_of_spool().as_deref(), Some("oma.example"));
}

/// A key that is commented out in the shipped files must be one that works, with the default that is shown.
#[test]
fn the_shipped_files_are_valid_and_show_the_true_defaults() {
    let shipped = VmaConfig::parse(VMA_FILE, "vma.toml").expect("as shipped");
    // The section for vCenter has no defaults; it is looked at by itself.
    let (with_defaults, _) = VMA_FILE.split_once("#[vcenter]").expect("it is there");
    assert_eq!(VmaConfig::parse(&uncommented(with_defaults), "vma.toml"), Ok(shipped));
    let shipped = OmaConfig::parse(OMA_FILE, "oma.toml").expect("as shipped");
    // The links have none either.
    let (with_defaults, _) = OMA_FILE.split_once("#[[vma]]").expect("they are there");
    assert_eq!(OmaConfig::parse(&uncommented(with_defaults), "oma.toml"), Ok(shipped));
    for key in ["database", "listen", "discover", "interval", "on_stall", "min_percent", "contact_refresh"] {
        assert!(uncommented(OMA_FILE).lines().any(|line| line.starts_with(&format!("{key} = "))), "{key}");
    }
}

#[test]
fn the_shipped_sections_for_links_are_taken_when_they_are_uncommented_and_show_the_true_defaults() {
    let oma = OmaConfig::parse(&uncommented(OMA_FILE), "oma.toml").expect("valid");
    assert_eq!(oma.vmas.len(), 3);
    let bare = OmaConfig::parse("[tls]\n[pki]", "oma.toml").expect("valid");
    assert_eq!((oma.tls, oma.pki), (bare.tls, bare.pki));
    let (_, links) = VMA_FILE.split_once("#[tunnel]").expect("it is there");
    let vma = VmaConfig::parse(&uncommented(&format!("name = 'site-a'\n[tunnel]{links}")), "vma.toml").expect("valid");
    let bare =
        VmaConfig::parse("name = 'a'\n[tls]\nclient_name = 'oma.example'\n[tunnel]\noma = 'oma.example'", "vma.toml");
    let bare = bare.expect("valid");
    assert_eq!(vma.tls, bare.tls);
    let (written, bare) = (vma.tunnel.expect("a tunnel"), bare.tunnel.expect("a tunnel"));
    assert_eq!((written.oma, written.files), (bare.oma, bare.files));
    assert!(written.proxy.is_some_and(|proxy| proxy.credentials.is_some()));
}

/// The file with `#key = value` lines switched on; prose begins with `# `.
fn uncommented(file: &str) -> String {
    let line = |line: &str| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line).to_owned();
    file.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_file_tells_its_role_by_its_keys_and_then_by_its_name() {
    assert_eq!(role_of("name = 'a'", "x.toml"), Some(Role::Vma));
    assert_eq!(role_of("[[vma]]\nname = 'a'", "x.toml"), Some(Role::Oma));
    assert_eq!(role_of("[poll]", "vma.toml"), Some(Role::Oma));
    assert_eq!(role_of("listen = '127.0.0.1:1'", "/etc/waybill/oma.toml"), Some(Role::Oma));
    assert_eq!(role_of("", "vma.toml"), Some(Role::Vma));
    assert_eq!(role_of("listen = '127.0.0.1:1'", "x.toml"), None);
    assert_eq!(role_of("name = 'a'\n[poll]", "vma.toml"), None);
}

/// (text, what the message must hold: the place with the key, the problem, the remedy)
type Case = (&'static str, &'static [&'static str]);

fn check(cases: &[Case], refuse: impl Fn(&str) -> String) {
    for (text, parts) in cases {
        let message = refuse(text);
        for part in *parts {
            assert!(message.contains(part), "of {text:?}\nwanted {part:?} in\n{message}");
        }
    }
}

#[test]
fn every_mistake_in_a_vma_file_is_named_with_its_line_and_remedy() {
    let refuse = |text: &str| VmaConfig::parse(text, "/etc/vma.toml").expect_err(text).to_string();
    check(
        &[
            ("", &["/etc/vma.toml:1: name: is missing", "remedy: write name = \"site-a\""]),
            ("name = 5", &["/etc/vma.toml:1: name: is an integer", "write \"site-a\""]),
            ("name = ''", &["/etc/vma.toml:1: name: is empty"]),
            ("name = \"a\\nb\"", &["vma.toml:1: name: has a control character at byte 1"]),
            ("\nname = 'a'\nlisen = 'x'", &["vma.toml:3: lisen: unknown key; did you mean `listen`?"]),
            (
                "name = 'a'\npassword = 'x'",
                &["vma.toml:2: password: unknown key\n", "allowed at the top of the file: name, database, listen"],
            ),
            (
                "name = 'a'\ndatabase = 'vma.db'",
                &["vma.toml:2: database: \"vma.db\" is not absolute", "/var/lib/waybill/vma.db"],
            ),
            ("name = 'a'\ndatabase = true", &["vma.toml:2: database: is a boolean", "an absolute path in quotes"]),
            (
                "name = 'a'\nlisten = '0.0.0.0:8081'",
                &["vma.toml:2: listen: 0.0.0.0 is not a loopback address", "127.0.0.1:PORT"],
            ),
            (
                "name = 'a'\nlisten = 'localhost:8081'",
                &["vma.toml:2: listen: \"localhost:8081\" is not ADDRESS:PORT", "127.0.0.1:PORT"],
            ),
            ("name = 'a'\nlisten = 8081", &["vma.toml:2: listen: is an integer", "\"127.0.0.1:PORT\" in quotes"]),
            (
                "name = 'a'\nauto_initialize = 'yes'",
                &["vma.toml:2: auto_initialize: is a string", "true or false, without quotes"],
            ),
            ("name = 'a'\nkeep_finished = 7", &["vma.toml:2: keep_finished: is an integer", "\"7d\""]),
            (
                "name = 'a'\nkeep_finished = '7 days'",
                &["vma.toml:2: keep_finished: \"7 days\" is not a duration", "\"7d\""],
            ),
            (
                "name = 'a'\nkeep_finished = '1s'",
                &["vma.toml:2: keep_finished: \"1s\" is out of range", "\"1m\" to \"3650d\"; the default is \"7d\""],
            ),
            (
                "name = 'a'\n[tls]\nlisten = '443'\nkey = 'vma.key'",
                &[
                    "vma.toml:3: tls.listen: \"443\" is not ADDRESS:PORT",
                    "vma.toml:4: tls.key: \"vma.key\" is not absolute",
                ],
            ),
            (
                "name = 'a'\n[tls]\ncertificate = '/both.pem'\nkey = '/both.pem'",
                &[
                    "vma.toml:4: tls.key: /both.pem is the file of the certificate too",
                    "a file of its own, with mode 600",
                ],
            ),
            ("name = 'a'\n\n[tunnel]", &["vma.toml:3: tunnel.oma: is missing", "write oma = \"oma.example:443\""]),
            (
                "name = 'a'\n[tunnel]\noma = 'https://o'",
                &["vma.toml:3: tunnel.oma: port \"//o\" is not a number", "host and port only"],
            ),
            (
                "name = 'a'\n[tls]\n[tunnel]\noma = 'o'\nkey = '/k'",
                &[
                    "vma.toml:5: tunnel.key: /etc/waybill/tls/vma.pem with /k, and /etc/waybill/tls/vma.pem with",
                    "write certificate and key as there, or two files of their own",
                ],
            ),
            (
                "name = 'a'\n[tunnel]\noma = 'o'\nproxy = 'http://me:hush@p:1'",
                &["vma.toml:4: tunnel.proxy: has a user or a password in it", "proxy_password_file"],
            ),
            (
                "name = 'a'\n[tunnel]\noma = 'o'\nproxy = 'socks5://p'\nproxy_username_file = '/u'",
                &["vma.toml:5: tunnel.proxy_username_file: stands without a password"],
            ),
            (
                "name = 'a'\n[vcenter]\nurl = 'x'\nca_file = '/ca.pem'",
                &["vma.toml:3: vcenter.url: does not begin with https://", "write \"https://vcenter.example/sdk\""],
            ),
            (
                "name = 'a'\n[vcenter]\nurl = 'https://me:hush@vc/sdk'\nca_file = '/ca.pem'",
                &["vma.toml:3: vcenter.url: has more than host, port and path", "without user, password or query"],
            ),
            (
                "name = 'a'\n[vcenter]\nca_file = 'ca.pem'\npassword_file = 7",
                &[
                    "vma.toml:2: vcenter.url: is missing",
                    "vma.toml:3: vcenter.ca_file: \"ca.pem\" is not absolute",
                    "vma.toml:4: vcenter.password_file: is an integer",
                ],
            ),
            (
                "name = 'a'\n[vcenter]\nurl = 'https://vc'",
                &[
                    "vma.toml:2: vcenter.thumbprint: is missing, and so is `ca_file`: nothing says which server is the right one",
                    "openssl x509 -noout -fingerprint -sha256` prints, compared on vCenter's own console",
                ],
            ),
            (
                "name = 'a'\n[vcenter]\nurl = 'https://vc'\nthumbprint = 'AA:BB'",
                &["vma.toml:4: vcenter.thumbprint: \"AA:BB\" is not a thumbprint: 64 (SHA-256) or 40 (SHA-1)"],
            ),
            (
                "name = 'a'\n[vcenter]\nusrname_file = 'x'",
                &["vma.toml:3: vcenter.usrname_file: unknown key; did you mean `username_file`?"],
            ),
            ("name = 'a'\ntls = true", &["vma.toml:2: tls: is a boolean", "a line [tls]"]),
            ("name = 'a'\nname = 'b'", &["/etc/vma.toml:2: not TOML: duplicate key"]),
            ("name = a", &["/etc/vma.toml:1: not TOML: ", "texts and durations in double quotes"]),
        ],
        refuse,
    );
}

#[test]
fn the_shipped_section_for_vcenter_is_taken_when_it_is_uncommented() {
    let text = uncommented(VMA_FILE).replace("AA:BB:...", &"ab".repeat(32));
    let vcenter = VmaConfig::parse(&text, "vma.toml").expect("as shipped").vcenter.expect("it is there");
    assert_eq!((vcenter.origin.authority().as_str(), vcenter.path.as_str()), ("vcenter.example", "/sdk"));
    let files = [vcenter.username_file, vcenter.password_file, vcenter.ca_file];
    assert!(files.iter().flatten().all(|file| file.starts_with("/etc/waybill")) && files.iter().flatten().count() == 3);
    assert!(vcenter.thumbprint.is_some());
}

#[test]
fn every_mistake_in_an_oma_file_is_named_with_its_line_and_remedy() {
    let refuse = |text: &str| OmaConfig::parse(text, "/etc/oma.toml").expect_err(text).to_string();
    check(
        &[
            ("listen = '192.168.1.5:8082'", &["oma.toml:1: listen: 192.168.1.5 is not a loopback address"]),
            (
                "[pol]",
                &["oma.toml:1: pol: unknown key; did you mean `poll`?", "allowed at the top of the file: database"],
            ),
            (
                "[poll]\nintervall = '2s'",
                &[
                    "oma.toml:2: poll.intervall: unknown key; did you mean `interval`?",
                    "allowed here: interval, timeout",
                ],
            ),
            ("[poll]\ninterval = 2", &["oma.toml:2: poll.interval: is an integer", "\"2s\""]),
            (
                "[poll]\ninterval = '50ms'",
                &[
                    "oma.toml:2: poll.interval: \"50ms\" is out of range: more often than ten times a second",
                    "\"100ms\" to \"1h\"; the default is \"2s\"",
                ],
            ),
            (
                "[poll]\ntimeout = '10ms'",
                &["oma.toml:2: poll.timeout: \"10ms\" is out of range", "\"100ms\" to \"5m\""],
            ),
            (
                "[poll]\nfailures_before_backoff = 0",
                &["oma.toml:2: poll.failures_before_backoff: 0 is out of range", "from 1 to 100"],
            ),
            (
                "[poll]\nfailures_before_backoff = '3'",
                &["oma.toml:2: poll.failures_before_backoff: is a string", "a whole number"],
            ),
            (
                "[poll]\ninterval = '40s'\nbackoff_max = '30s'\nstall_after = '2m'",
                &["oma.toml:3: poll.backoff_max: \"30s\" is less than `interval`", "at least \"40s\""],
            ),
            ("[poll]\ninterval = '40s'", &["oma.toml:1: poll.backoff_max: \"30s\" is less than `interval`"]),
            (
                "[poll]\n\ncontact_lost_after = '10s'",
                &[
                    "oma.toml:3: poll.contact_lost_after: \"10s\" is less than two polls that time out",
                    "at least \"24s\"",
                ],
            ),
            (
                "[poll]\nstall_after = '3s'",
                &["oma.toml:2: poll.stall_after: \"3s\" is less than twice `interval`", "at least \"4s\""],
            ),
            (
                "[poll]\nqueued_timeout = '1s'",
                &["oma.toml:2: poll.queued_timeout: \"1s\" is less than twice `interval`"],
            ),
            (
                "[poll]\non_stall = 'kill'",
                &["oma.toml:2: poll.on_stall: \"kill\" is not known", "\"warn\" or \"fail\""],
            ),
            ("poll = 3", &["oma.toml:1: poll: is an integer", "a line [poll]"]),
            (
                "[throttle]\nmin_percent = 101",
                &["oma.toml:2: throttle.min_percent: 101 is out of range", "from 0 to 100"],
            ),
            ("[throttle]\nmin_percent = nan", &["oma.toml:2: throttle.min_percent: nan is out of range"]),
            ("[throttle]\nmin_interval = '2h'", &["oma.toml:2: throttle.min_interval: \"2h\" is out of range"]),
            (
                "[throttle]\ncontact_refresh = '6m'",
                &["oma.toml:2: throttle.contact_refresh: \"6m\" is out of range", "\"100ms\" to \"5m\""],
            ),
            ("[vma]\nname = 'a'", &["oma.toml:1: vma: is a table", "[[vma]] with double brackets"]),
            ("vma = ['a']", &["oma.toml:1: vma: is a string", "[[vma]]"]),
            ("[[vma]]\nurl = 'http://127.0.0.1:1'", &["oma.toml:1: vma[1].name: is missing"]),
            ("\n[[vma]]\nname = 'a'", &["oma.toml:2: vma[1].url: is missing", "tunnel = true"]),
            (
                "[[vma]]\nname = 'a'\nurl = 'http://10.0.0.1:8081'",
                &["oma.toml:3: vma[1].url: host \"10.0.0.1\" is not this machine", "by SSH or stunnel"],
            ),
            (
                "[[vma]]\nname = 'a'\nurl = 'https://vma.example/api'",
                &["oma.toml:3: vma[1].url: has a path", "write \"https://HOST:PORT\""],
            ),
            ("[[vma]]\nname = 'a'\nurl = 'vma.example'", &["oma.toml:3: vma[1].url: does not begin with http://"]),
            (
                "[[vma]]\nname = 'a'\ntunnel = true",
                &["oma.toml:3: vma[1].tunnel: nobody can dial this OMA: it has no [tls]", "add the section [tls]"],
            ),
            (
                "[tls]\n[[vma]]\nname = 'a'\ntunnel = true\nurl = 'https://a'",
                &["oma.toml:5: vma[1].url: stands beside tunnel = true"],
            ),
            (
                "[tls]\n[[vma]]\nname = 'a'\nurl = 'https://a'\ncertificate = '/c'\nkey = '/k'\n\
                 [[vma]]\nname = 'b'\nurl = 'https://b'\ncertificate = '/d'\nkey = '/k'",
                &["oma.toml:11: vma[2].key: /d with /k, and /c with /k in another section, which cannot both be"],
            ),
            (
                "[tls]\n[[vma]]\nname = 'a'\ntunnel = true\ncertificate = '/c'",
                &["oma.toml:5: vma[1].certificate: means nothing where the VMA dials"],
            ),
            (
                "[[vma]]\nname='a'\nurl='http://[::1]:1'\nproxy='socks5://p'",
                &["oma.toml:4: vma[1].proxy: means nothing without TLS"],
            ),
            (
                "[[vma]]\nname='a'\nurl='https://a'\nproxy='ftp://p'",
                &["oma.toml:4: vma[1].proxy: does not begin with http:// or socks5://"],
            ),
            (
                "[[vma]]\nname='a'\nurl='http://[::1]:1'\n[[vma]]\nname='a'\nurl='http://[::1]:2'",
                &["oma.toml:5: vma[2].name: \"a\" already names the VMA of line 2"],
            ),
            (
                "[[vma]]\nname='a'\nurl='http://[::1]:1'\ncertifcate='c'",
                &["oma.toml:4: vma[1].certifcate: unknown key; did you mean `certificate`?"],
            ),
            ("[tls]\nclient_name = 'a'", &["oma.toml:2: tls.client_name: unknown key"]),
            ("[pki]\ndirectory = 'x'", &["oma.toml:2: pki.directory: \"x\" is not absolute"]),
        ],
        refuse,
    );
}

#[test]
fn all_mistakes_are_reported_at_once_in_the_order_of_the_lines() {
    let text = "listen = '0.0.0.0:1'\nfoo = 1\n[poll]\ninterval = '1ms'\n[[vma]]\nname = ''\nurl = 'https://x y'\n";
    let errors = OmaConfig::parse(text, "oma.toml").expect_err("full of mistakes");
    let places: Vec<_> = errors.faults.iter().map(|fault| (fault.line, fault.key.as_str())).collect();
    assert_eq!(places, [(1, "listen"), (2, "foo"), (4, "poll.interval"), (6, "vma[1].name"), (7, "vma[1].url")]);
    let message = errors.to_string();
    let lines: Vec<_> = message.lines().collect();
    assert_eq!(lines.len(), 10, "{message}");
    assert!(lines.iter().skip(1).step_by(2).all(|line| line.starts_with("  remedy: ")), "{message}");
}

#[test]
fn a_secret_in_a_url_is_not_repeated() {
    let text = "[[vma]]\nname = 'a'\nurl = 'http://user:hunter2@127.0.0.1:1'";
    let message = OmaConfig::parse(text, "oma.toml").expect_err("a secret in a URL").to_string();
    assert!(message.contains("oma.toml:3: vma[1].url: has more than host and port"), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
}

proptest::proptest! {
    #[test]
    fn no_text_brings_the_reader_down(text in "(\\[{0,2}(vma|poll|tls|name|url)?\\]{0,2}|[a-z_]{0,9} ?= ?('[ -~]{0,9}'|-?[0-9.]{0,5}|\\[.{0,5}\\])|.{0,9}|\n){0,12}") {
        let vma = VmaConfig::parse(&text, "f");
        let oma = OmaConfig::parse(&text, "f");
        for errors in [vma.err(), oma.err()].into_iter().flatten() {
            proptest::prop_assert!(!errors.faults.is_empty());
            let lines = text.lines().count() + 1;
            proptest::prop_assert!(errors.faults.iter().all(|fault| (1..=lines).contains(&fault.line)));
        }
    }
}
