//! Signing in and out by form, as a browser without scripts does, and the origins that count as this server.

use jobledger::access::Role;
use jobledger::http::{HttpOptions, Transport};
use ureq::http::Method;

use crate::support::cli::{cli, on, token};
use crate::support::{Answer, Client, TestServer, noted, task_job};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// Sends a form to `path`. `from` is the origin of its page.
fn send(server: &TestServer, path: &str, from: &str, headers: &[(&str, &str)], form: &[(&str, &str)]) -> Answer {
    let mut body = form_urlencoded::Serializer::new(String::new());
    let body = body.extend_pairs(form).finish();
    let headers = [&[FORM, ("origin", from)], headers].concat();
    server.anonymous().send(Method::POST, path, &headers, body.as_bytes())
}

/// Signs in with a form of this server.
fn sign_in(server: &TestServer, form: &[(&str, &str)]) -> Answer {
    send(server, "/session", &server.url, &[], form)
}

/// The value of the `Cookie` header that a browser sends after `answer`.
#[track_caller]
fn cookie(answer: &Answer) -> String {
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

#[test]
fn a_form_signs_in_and_leads_on() {
    let server = TestServer::start();
    let viewer = server.token("eve", Role::Viewer, Default::default());
    let answer = sign_in(&server, &[("token", &viewer), ("next", "/jobs/a?as_of=37")]).expect(303);
    assert_eq!((answer.header("location"), answer.text().as_str()), ("/jobs/a?as_of=37", ""));
    assert_eq!(answer.header("cache-control"), "no-store");
    let (secret, rest) = answer.header("set-cookie").split_once("; ").unwrap();
    assert_eq!(rest, "Path=/; Max-Age=43200; HttpOnly; SameSite=Lax");
    server.anonymous().get_with("/ledger/jobs", &[("cookie", secret)]).expect(200);
    // A pasted token often has white space around it.
    let answer = sign_in(&server, &[("token", &format!(" {viewer}\r\n"))]).expect(303);
    assert_eq!(answer.header("location"), "/");
    server.anonymous().get_with("/ledger/jobs", &[("cookie", &cookie(&answer))]).expect(200);
}

#[test]
fn a_form_leads_to_this_server_only() {
    let server = TestServer::start();
    let viewer = server.token("eve", Role::Viewer, Default::default());
    for next in [
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "jobs",
        "/\t/evil.example",
        "/a\r\nset-cookie: x=y",
        "/a b",
        "/é",
        "",
    ] {
        let answer = sign_in(&server, &[("next", next), ("token", &viewer)]).expect(303);
        assert_eq!(answer.header("location"), "/", "{next:?}");
        let failed = sign_in(&server, &[("next", next), ("token", "jl_wrong")]).expect(303);
        assert_eq!(failed.header("location"), "/sign-in?failed=1", "{next:?}");
    }
}

#[test]
fn a_wrong_token_leads_back_to_the_page_that_signs_in() {
    let server = TestServer::start();
    let viewer = server.token("eve", Role::Viewer, Default::default());
    let session = cookie(&sign_in(&server, &[("token", &viewer)]).expect(303));
    server.access().revoke(Default::default(), "eve", "2030-01-01T00:00:00Z".parse().unwrap()).unwrap();
    let secret = session.split_once('=').unwrap().1;
    for token in ["", "jl_wrong", "Bearer", &viewer, secret] {
        let form = [("token", token), ("next", "/?status=running&label=a:b")];
        let answer = sign_in(&server, &form).expect(303);
        let expected = "/sign-in?failed=1&next=%2F%3Fstatus%3Drunning%26label%3Da%3Ab";
        assert_eq!((answer.header("location"), answer.header("set-cookie")), (expected, ""), "{token}");
    }
}

#[test]
fn a_form_that_is_not_as_expected_is_refused_with_the_name_of_the_field() {
    let server = TestServer::start();
    for (form, said) in [
        (vec![("next", "/")], "form field `token`: expected a token"),
        (vec![("token", "a"), ("token", "b")], "form field `token`: expected once"),
        (vec![("token", "a"), ("name", "b")], "form field `name`: unknown here"),
    ] {
        let problem = sign_in(&server, &form).expect(400).json();
        assert_eq!(problem["code"], "bad-request");
        assert!(problem["detail"].as_str().unwrap().starts_with(said), "{problem}");
    }
    let long = "a".repeat(9000);
    assert_eq!(sign_in(&server, &[("token", &long)]).expect(413).json()["code"], "too-large");
    // Another form of body needs the header.
    let json = [("content-type", "application/json")];
    server.anonymous().send(Method::POST, "/session", &json, br#"{"token":"a"}"#).expect(401);
}

#[test]
fn a_form_of_another_site_does_not_sign_in() {
    let server = TestServer::start();
    let viewer = server.token("eve", Role::Viewer, Default::default());
    let form = [("token", viewer.as_str())];
    let fetched = |site| send(&server, "/session", &server.url, &[("sec-fetch-site", site)], &form).status;
    assert_eq!(["same-origin", "same-site", "cross-site", "none"].map(fetched), [303, 403, 403, 403]);
    let other_port = server.url.replace("127.0.0.1:", "127.0.0.1:1");
    for from in ["http://evil.example", "null", "", &other_port] {
        let refused = send(&server, "/session", from, &[], &form).expect(403);
        assert_eq!((refused.header("set-cookie"), refused.header("location")), ("", ""), "{from}");
    }
    // A program that is no browser sends neither header.
    let body = format!("token={viewer}");
    server.anonymous().send(Method::POST, "/session", &[FORM], body.as_bytes()).expect(303);
    // A header wins over the form.
    let wrong = [FORM, ("authorization", "Bearer jl_wrong")];
    server.anonymous().send(Method::POST, "/session", &wrong, body.as_bytes()).expect(401);
}

#[test]
fn a_form_signs_out() {
    let server = TestServer::start();
    let viewer = server.token("eve", Role::Viewer, Default::default());
    let session = cookie(&sign_in(&server, &[("token", &viewer)]).expect(303));
    let headers = [("cookie", session.as_str())];
    let read = || server.anonymous().get_with("/ledger/jobs", &headers).status;
    send(&server, "/sign-out", "http://evil.example", &headers, &[]).expect(403);
    assert_eq!(read(), 200);
    for _ in 0..2 {
        let answer = send(&server, "/sign-out", &server.url, &headers, &[]).expect(303);
        assert_eq!(answer.header("location"), "/sign-in");
        assert_eq!(answer.header("set-cookie"), "jobledger_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
        assert_eq!(read(), 401);
    }
    assert_eq!(server.anonymous().send(Method::POST, "/sign-out", &[], b"").expect(303).header("location"), "/sign-in");
}

/// Signs in, and returns the status of a write with the cookie and `headers`.
fn writes(server: &TestServer) -> impl Fn(&[(&str, &str)]) -> u16 {
    let worker = server.client(Role::Worker);
    worker.append(&task_job("a")).expect(201);
    let session = cookie(&worker.send(Method::POST, "/session", &[], b"").expect(204));
    let anonymous = Client::new(&server.url, None);
    let number = std::cell::Cell::new(0);
    move |headers| {
        number.set(number.get() + 1);
        let headers = [&[("cookie", session.as_str())], headers].concat();
        anonymous.append_with(&noted("a", &format!("n{}", number.get())), &headers).status
    }
}

#[test]
fn pages_of_the_public_url_belong_to_this_server() {
    let public_url = Some("https://ledger.example".parse().unwrap());
    let server =
        TestServer::serving(HttpOptions { transport: Transport::BehindTls, public_url, ..HttpOptions::default() });
    let write = writes(&server);
    assert_eq!(write(&[("origin", "https://ledger.example"), ("host", "10.0.0.7:8347")]), 201);
    assert_eq!(write(&[("origin", "https://ledger.example:443"), ("host", "10.0.0.7:8347")]), 201);
    assert_eq!(
        write(&[("origin", "https://inside.example"), ("host", "inside.example")]),
        201,
        "without the proxy too"
    );
    assert_eq!(write(&[("origin", "http://ledger.example"), ("host", "10.0.0.7:8347")]), 403);
    assert_eq!(write(&[("origin", "https://ledger.example:8443"), ("host", "10.0.0.7:8347")]), 403);
    assert_eq!(write(&[("origin", "https://ledger.example.evil.example"), ("host", "10.0.0.7:8347")]), 403);
    let viewer = server.token("eve", Role::Viewer, Default::default());
    let answer = send(&server, "/session", "https://ledger.example", &[], &[("token", &viewer)]).expect(303);
    assert!(answer.header("set-cookie").ends_with("; HttpOnly; SameSite=Lax; Secure"));
}

#[test]
fn the_headers_of_a_proxy_are_believed_behind_tls_alone() {
    let behind = TestServer::serving(HttpOptions { transport: Transport::BehindTls, ..HttpOptions::default() });
    let write = writes(&behind);
    let (http, https) = (("origin", "http://a.example"), ("origin", "https://a.example"));
    let host = ("host", "a.example");
    for (said, scheme) in [
        (("x-forwarded-proto", "https"), "https"),
        (("x-forwarded-proto", "http"), "http"),
        (("x-forwarded-proto", "http, https"), "http"),
        (("x-forwarded-proto", "gopher"), "https"),
        (("forwarded", "for=10.0.0.1;Proto=http;host=b.example"), "http"),
        (("forwarded", r#"for=10.0.0.1;proto="https", proto=http"#), "https"),
        (("forwarded", "for=10.0.0.1"), "https"),
    ] {
        let expected = if scheme == "http" { [201, 403] } else { [403, 201] };
        assert_eq!([http, https].map(|origin| write(&[origin, host, said])), expected, "{said:?}");
    }
    let both = [("forwarded", "proto=https"), ("x-forwarded-proto", "http")];
    assert_eq!(write(&[https, host, both[0], both[1]]), 201, "`Forwarded` is the standard");
    let clear = TestServer::start();
    let write = writes(&clear);
    assert_eq!(write(&[https, host, ("x-forwarded-proto", "https")]), 403);
    assert_eq!(write(&[http, host, ("x-forwarded-proto", "https")]), 201);
}

#[test]
fn a_public_url_is_an_origin_with_the_scheme_that_browsers_use() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("data");
    for wrong in ["ledger.example", "https://ledger.example/path", "ftp://ledger.example", "https://*.example"] {
        on(&folder, "serve", &["--public-url", wrong]).refused(2, &["--public-url", "expected an origin such as"]);
    }
    on(&folder, "serve", &["--public-url", "https://ledger.example"]).refused(2, &["hint:", "--behind-tls"]);
    on(&folder, "serve", &["--behind-tls", "--public-url", "http://ledger.example"]).refused(2, &["which is https"]);
    let told = ["serve", "--create", "--listen", "127.0.0.1:0", "--public-url", "http://Ledger.example:80/", "--data"];
    let server = crate::support::cli::Serving::of(cli(told).arg(&folder));
    let body = format!("token={}", token(&folder, "viewer"));
    let from = ("origin", "http://ledger.example");
    Client::new(&server.url, None).send(Method::POST, "/session", &[FORM, from], body.as_bytes()).expect(303);
    server.end("TERM").expect(0);
}
