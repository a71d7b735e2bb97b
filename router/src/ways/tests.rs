use super::*;

fn rule(label: Option<&str>, path: Paths, to: To) -> Rule {
    Rule {
        label: label.map(str::to_owned),
        path,
        to,
    }
}

fn redirect(to: &str, code: u16) -> To {
    To::Redirect {
        to: to.to_owned(),
        code,
    }
}

fn below(path: &str) -> Paths {
    Paths::Below(path.to_owned())
}

fn like(text: &str) -> Paths {
    Paths::Like(text.to_owned())
}

fn ways(rules: Vec<Rule>) -> Result<Ways, &'static str> {
    let hosts = ["shop.test".to_owned(), "other.test".to_owned()];
    Ways::new(rules, &hosts, &BTreeMap::new())
}

/// Where a visitor of this address is sent.
fn sent(ways: &Ways, address: &str) -> Option<(u16, String)> {
    let (host, path) = address.split_once('/').unwrap();
    let uri = format!("/{path}");
    let request = Request::get(&uri).header("host", format!("{host}:81"));
    let request = request.body(()).unwrap();
    match ways.find(host, Plain::of(request.uri()).as_ref()) {
        Way::Away(code, away) => {
            let address = away.address(&request).unwrap();
            Some((code.as_u16(), address.to_str().unwrap().to_owned()))
        }
        Way::Web => None,
        Way::Process(_) => panic!("there is none"),
    }
}

#[test]
fn redirects() {
    let ways = ways(vec![
        rule(Some("www"), below("/"), redirect("https://{default}/", 301)),
        rule(
            None,
            below("/old/"),
            redirect("https://{default}/new/", 308),
        ),
        rule(None, below("/old/kept/"), To::Web),
        rule(
            None,
            below("/gone/"),
            redirect("https://example.com/sorry", 302),
        ),
        rule(None, below("/here/"), redirect("/there/", 307)),
        rule(
            None,
            like("/blog/([0-9]+)/(.*)"),
            redirect("https://www.{default}/posts/$1?slug=$2", 301),
        ),
        rule(None, like("/as(/.*)"), redirect("/$1", 302)),
    ])
    .unwrap();
    assert_eq!(ways.hosts().collect::<Vec<_>>(), ["www.shop.test"]);
    let to = |code: u16, address: &str| Some((code, address.to_owned()));
    for (from, expected) in [
        (
            "www.shop.test/a%20b?c=d",
            to(301, "http://shop.test:81/a%20b?c=d"),
        ),
        ("shop.test/old/x/y", to(308, "http://shop.test:81/new/x/y")),
        ("other.test/old", to(308, "http://shop.test:81/new/")),
        ("shop.test/older", None),
        ("shop.test/old/kept/x", None),
        ("shop.test/gone/x", to(302, "https://example.com/sorry")),
        ("shop.test/here/x", to(307, "/there/x")),
        ("shop.test//here//evil.test", to(307, "/there/evil.test")),
        (
            "shop.test/blog/7/a-b",
            to(301, "http://www.shop.test:81/posts/7?slug=a-b"),
        ),
        // A path stays one.
        ("shop.test/as/evil.test/", to(302, "/evil.test/")),
        ("shop.test/x/blog/7/a", None),
        ("shop.test/", None),
    ] {
        assert_eq!(sent(&ways, from), expected, "{from}");
    }
}

#[test]
fn who_came_by_tls_stays_there() {
    let ways = ways(vec![rule(
        Some("www"),
        below("/"),
        redirect("https://{default}/", 301),
    )]);
    let request = Request::get("/x")
        .header("host", "www.shop.test")
        .header("x-forwarded-proto", "https")
        .body(())
        .unwrap();
    let Way::Away(_, away) = ways
        .unwrap()
        .find("www.shop.test", Plain::read("/x").as_ref())
    else {
        panic!("it leads elsewhere");
    };
    assert_eq!(away.address(&request).unwrap(), "https://shop.test/x");
}

#[test]
fn what_no_route_can_say() {
    for (path, to) in [
        (below("old/"), To::Web),
        (below("/old"), To::Web),
        (like("("), To::Web),
        (like("(a{1000}){1000}"), To::Web),
        (like(&"a".repeat(2_000)), To::Web),
        (below("/"), To::Process("none".to_owned())),
        (below("/"), redirect("https://{default}", 301)),
        (below("/"), redirect("javascript:alert(1)", 301)),
        (below("/"), redirect("/x", 303)),
    ] {
        let what = format!("{path:?} {to:?}");
        assert!(ways(vec![rule(None, path, to)]).is_err(), "{what}");
    }
    assert!(ways(vec![rule(Some("a b"), below("/"), To::Web)]).is_err());
    assert!(ways(vec![rule(Some("WWW"), below("/"), To::Web)]).is_err());
}
