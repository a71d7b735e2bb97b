use super::*;

#[test]
fn each_code_is_there_once_in_order_and_fit_for_a_table() {
    for (one, next) in ALL.iter().zip(&ALL[1..]) {
        assert!(one.code < next.code, "{}", next.code);
    }
    for Entry {
        code,
        meaning,
        next,
    } in ALL
    {
        assert!(
            code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'),
            "{code}"
        );
        assert!(
            ![meaning, next]
                .iter()
                .any(|text| text.is_empty() || text.contains(['|', '\n']))
        );
        assert_eq!(find(code).map(|entry| entry.meaning), Some(*meaning));
    }
}
