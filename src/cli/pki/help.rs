//! The texts of `waybill pki --help`.

pub(super) const PKI: &str = "\
The OMA's own authority: it says who is let in at port 443.

Usage: waybill pki init [--host NAME]...
       waybill pki token --vma NAME [--expires AGE]
       waybill pki issue --vma NAME --request FILE
       waybill pki list [--json]
       waybill pki revoke --vma NAME --reason TEXT

  init     make the authority and the OMA's certificate, once
  token    invite a VMA: what is printed turns into its certificate, once
  issue    sign a request that was carried here by hand
  list     what was issued, and until when it is good
  revoke   take certificates back; open connections are cut

All take --config FILE (default /etc/waybill/oma.toml). Whatever they do stands
in the tables certificates, enrolment_tokens and pki_events of the OMA's
database. `waybill pki init --help`, and so on, tells more.

Example: waybill pki token --vma site-a

Exit codes: 0 done, 1 failed, 2 usage, 3 configuration, 4 no such certificate.
";

pub(super) const INIT: &str = "\
Make the OMA's authority and the certificate of this OMA.

Usage: waybill pki init [--host NAME]... [--config FILE]

  --host NAME     a DNS name or address of this OMA for its certificate; VMAs
                  that enrol here need none, other clients (curl) do
  --config FILE   the OMA's configuration (default /etc/waybill/oma.toml); its
                  [pki] and [tls] name the files; without [tls], the
                  first [[vma]] that is dialled

The authority's key stays in its folder, mode 0600: keep a copy of the folder
where a thief does not look. The daemon renews the OMA's certificate by itself.

Example: waybill pki init --host oma.example
";

pub(super) const TOKEN: &str = "\
Invite a VMA: print a token that `waybill enroll` on the VMA turns into its
certificate. It is good once, and until it expires. It also carries the
fingerprint of this authority, so that the VMA knows the right OMA.

Usage: waybill pki token --vma NAME [--expires AGE] [--config FILE]

  --vma NAME      the name of the VMA's [[vma]] section
  --expires AGE   how long it is good, up to 7d (default 1h)
  --config FILE   the OMA's configuration (default /etc/waybill/oma.toml)

Whoever has the token can become this VMA: hand it over as you would a password.

Example: waybill pki token --vma site-a --expires 15m
";

pub(super) const ISSUE: &str = "\
Sign a request for a certificate that was carried here by hand: of a VMA that
this OMA dials and that cannot reach it, or of an operator's own machine.
The certificate and the authority's go to stdout.

Usage: waybill pki issue (--vma NAME | --operator NAME | --oma) --request FILE
                         [--host NAME]... [--config FILE]

  --request FILE   the request, PEM; - is stdin. `waybill enroll --request` makes
                   one on the VMA, `openssl req -new` anywhere
  --host NAME      a DNS name or address for the certificate, where another
                   client than waybill is to dial its owner
  --config FILE    the OMA's configuration (default /etc/waybill/oma.toml)

Example: waybill pki issue --vma site-a --request site-a.csr > site-a.pem
";

pub(super) const LIST: &str = "\
Show all certificates that the authority has issued.

Usage: waybill pki list [--json] [--config FILE]

  --json          one JSON object a line
  --config FILE   the OMA's configuration (default /etc/waybill/oma.toml)
";

pub(super) const REVOKE: &str = "\
Take certificates back. A running OMA cuts the connections of whoever has one
within seconds, and lets them in no more.

Usage: waybill pki revoke (--vma NAME | --operator NAME | --fingerprint HEX)
                          --reason TEXT [--config FILE]

  --vma NAME          all valid certificates of that VMA
  --fingerprint HEX   one certificate, by the SHA-256 that `list` shows
  --reason TEXT       for the books
  --config FILE       the OMA's configuration (default /etc/waybill/oma.toml)

Example: waybill pki revoke --vma site-a --reason 'appliance was stolen'
";
