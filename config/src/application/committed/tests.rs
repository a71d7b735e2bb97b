use proptest::prelude::*;

use super::*;

fn read_text(text: &str) -> Result<All, String> {
    let mut files = Files::default();
    files.insert("index.html", "x");
    files.insert(FILE, text);
    match crate::application::read(&files) {
        Ok(application) => Ok(application.committed),
        Err(problems) => Err(problems.render(72)),
    }
}

fn all(variables: &[(&str, &str, Visible)]) -> All {
    let one = |(name, value, visible): &(&str, &str, Visible)| {
        let value = (*value).to_owned();
        let visible = *visible;
        let name = VariableName::parse(name).unwrap();
        (name, Committed { value, visible })
    };
    variables.iter().map(one).collect()
}

#[test]
fn what_is_written_is_stable_and_read_again() {
    let variables = all(&[
        ("MODE", "production", Visible::Both),
        ("BANNER", "say \"hi\"\n", Visible::Run),
        ("FLAGS", "", Visible::Build),
    ]);
    let text = write("shop", "staging", &variables).unwrap();
    let (head, rest) = text.split_once("\n\n").unwrap();
    assert!(head.lines().all(|line| line.starts_with("# ")), "{head}");
    assert_eq!(
        rest,
        "[variables]\nBANNER = { value = \"\"\"\nsay \"hi\"\n\"\"\", visible = \"run\" }\n\
         FLAGS = { value = \"\", visible = \"build\" }\nMODE = \"production\"\n"
    );
    assert_eq!(read_text(&text).unwrap(), variables);
}

#[test]
fn every_problem_is_named_with_its_place() {
    let said = read_text(
        "[variables]\nPORT = \"1\"\nA = 3\nB = { visible = \"run\" }\n\
         C = { value = \"x\", visible = \"never\" }\n\"9\" = \"x\"\nD = \"\\u001b\"\n[more]\n",
    )
    .unwrap_err();
    for text in [
        "the name is reserved",
        "must be a string",
        "needs `value`",
        "`never` is not one of its values",
        "must not begin with a digit",
        "control character",
        "unknown key `more`",
        "wharf.config.toml:2:1",
        "wharf.config.toml:7:",
    ] {
        assert!(said.contains(text), "{text} in\n{said}");
    }
}

#[test]
fn one_that_could_not_be_read_again_is_not_written() {
    let long = "x".repeat(super::super::visible::MAX_VALUE);
    let names: Vec<String> = (0..20).map(|number| format!("V{number}")).collect();
    let named = names.iter().map(String::as_str);
    let variables: Vec<_> = named.map(|name| (name, &*long, Visible::Both)).collect();
    assert!(write("shop", "main", &all(&variables)).is_err());
}

proptest! {
    #[test]
    fn any_value_comes_back(value in "[ -~\n\r\té\u{202e}]{0,60}", visible in 0_usize..3) {
        let visible = [Visible::Build, Visible::Run, Visible::Both][visible];
        let variables = all(&[("A", &value, visible), ("B", "b", Visible::Both)]);
        let text = write("shop", "main", &variables).unwrap();
        prop_assert_eq!(read_text(&text).unwrap(), variables);
    }
}
