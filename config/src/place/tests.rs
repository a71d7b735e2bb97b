use super::*;

fn place(kind: PlaceKind, vars: &[(&str, &str)]) -> Result<Place, PlaceError> {
    Place::from_vars(kind, |name| {
        vars.iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.into())
    })
}

#[test]
fn where_things_are() {
    use PlaceKind::{Discover, System};
    assert_eq!(
        place(System, &[("WHARF_HOME", "/w")]),
        Ok(Place::below("/w"))
    );
    assert_eq!(
        place(System, &[]).unwrap().socket(),
        PathBuf::from("/run/wharf/wharfd.sock")
    );
    let user = place(Discover, &[("HOME", "/h"), ("XDG_CONFIG_HOME", "relative")]).unwrap();
    assert_eq!(user.config, PathBuf::from("/h/.config/wharf"));
    assert_eq!(user.run, PathBuf::from("/h/.local/state/wharf/run"));
    assert_eq!(place(Discover, &[]), Err(PlaceError::NoHome));
    assert!(matches!(
        place(Discover, &[("WHARF_HOME", "w")]),
        Err(PlaceError::RelativeHome(_))
    ));
    let long = format!("/{}", "x".repeat(100));
    assert!(matches!(
        place(Discover, &[("WHARF_HOME", &long)]),
        Err(PlaceError::LongSocket(_))
    ));
}
