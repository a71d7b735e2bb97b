use super::suggestion;

#[test]
fn near_words_only() {
    let known = ["public", "build", "deploy"];
    assert_eq!(suggestion("pubic", known), Some("public"));
    assert_eq!(suggestion("biuld", known), Some("build"));
    assert_eq!(suggestion("kubernetes", known), None);
    assert_eq!(suggestion(&"b".repeat(100_000), known), None);
}
