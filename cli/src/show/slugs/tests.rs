use super::*;

fn change(kind: ChangeKind, how: How, name: &str) -> Change {
    Change {
        kind,
        how,
        name: name.into(),
        old: None,
        new: None,
    }
}

fn comparison(origin: Origin, changes: Vec<Change>) -> Comparison {
    Comparison {
        slug: "51ab0c77d2".into(),
        origin,
        before: Some(6),
        known: true,
        changes,
        left_out: 0,
        border: None,
    }
}

fn why(since: Comparison, now: Option<Tip>) -> Why {
    Why {
        project: "shop".into(),
        environment: "main".into(),
        release: Some(7),
        since: Some(since),
        now,
    }
}

#[test]
fn slugs_are_drawn() {
    let slug = |key: &str, rebuilt, used_by| Slug {
        project: "shop".into(),
        key: key.into(),
        digest: "00".into(),
        created: 1_700_000_000_000,
        files: 12,
        bytes: 4_200_000,
        trust_domain: "protected".into(),
        rebuilt,
        imported: false,
        used_by,
        left_out: 0,
    };
    let used = |environment: &str, releases: &[u32], live| Use {
        environment: environment.into(),
        releases: releases.to_vec(),
        live,
    };
    let all = [
        slug(
            "51ab0c77d2",
            true,
            vec![used("main", &[7, 6], true), used("staging", &[2], false)],
        ),
        slug("9c1e5f00aa", false, vec![]),
    ];
    insta::assert_snapshot!(draw(&all, 1_700_000_100_000, None), @r#"
    SLUG              MADE    SIZE    FILES  TRUST      USED BY
    51ab0c (rebuilt)  1m ago  4.2 MB  12     protected  main r7 r6 serves, staging r2
    9c1e5f            1m ago  4.2 MB  12     protected  nothing
    "#);
}

#[test]
fn every_kind_of_change_is_said_in_ascii_and_within_72_columns() {
    use ChangeKind::*;
    let values = |kind, name: &str, old: &str, new: &str| Change {
        old: Some(old.into()),
        new: Some(new.into()),
        ..change(kind, How::Changed, name)
    };
    let long = format!("media/{}\u{e9}.jpg", "long-name/".repeat(12));
    let mut all = comparison(
        Origin::Built,
        vec![
            change(Patch, How::Changed, "patches/1.patch"),
            change(Step, How::Removed, "npm run build"),
            change(Step, How::Moved, "npm ci"),
            change(Assets, How::Added, "into pub/static"),
            change(Mount, How::Added, "var"),
            values(Runtime, "node", "20.1.0", "22.0.0"),
            change(Variable, How::Added, "NODE_ENV"),
            change(Secret, How::Changed, "TOKEN"),
            values(TrustDomain, "", "open", "protected"),
            values(Format, "", "1", "2"),
            change(Rebuild, How::Added, ""),
            change(RunVariable, How::Removed, "LOG_LEVEL"),
            values(Commit, "", "9c1e5f00aa11", "1111111122"),
            change(Tree, How::Changed, ""),
            change(File, How::Added, "a b\u{1b}[31m.html"),
            change(File, How::Changed, &long),
        ],
    );
    all.left_out = 12;
    all.border = Some("open branches use no slug of protected ones".into());
    let text = draw_why(&why(all, None));
    assert!(
        text.lines()
            .all(|line| line.len() <= WIDTH && line.is_ascii())
    );
    insta::assert_snapshot!(text, @r#"
    r7 was built anew, slug 51ab0c; since r6:
      built again             open branches use no slug of protected ones
      patch changed           patches/1.patch
      build step removed      npm run build
      build step moved        npm ci
      assets added            into pub/static
      mount added             var
      runtime changed         node 20.1.0 -> 22.0.0
      variable added          NODE_ENV
      secret changed          TOKEN
      trust domain changed    open -> protected
      slug format changed     1 -> 2
      rebuild                 somebody asked for it
      run variable removed    LOG_LEVEL
      commit changed          9c1e5f00 -> 11111111, same tree
      tree changed            the older one is not there any more
      file added              a b?[31m.html
      file changed
        media/long-name/long-name/long-name/long-name/long-name/long-name/lo
        ng-name/long-name/long-name/long-name/long-name/long-name/?.jpg
      ... and 12 more
    "#);
}

#[test]
fn what_a_redeploy_would_do_is_said() {
    let tip = |effect, changes| Tip {
        commit: Some("9c1e".into()),
        effect,
        comparison: Some(comparison(Origin::Same, changes)),
        reason: None,
    };
    let same = || comparison(Origin::Same, vec![]);
    let texts = [
        why(same(), Some(tip(Effect::Nothing, vec![]))),
        why(
            comparison(
                Origin::Found,
                vec![change(ChangeKind::File, How::Changed, "a")],
            ),
            Some(tip(
                Effect::Redeploy,
                vec![change(ChangeKind::RunVariable, How::Added, "MODE")],
            )),
        ),
        why(
            Comparison {
                known: false,
                ..comparison(Origin::Built, vec![])
            },
            Some(tip(
                Effect::Rebuild,
                vec![change(ChangeKind::Variable, How::Added, "MODE")],
            )),
        ),
        why(
            Comparison {
                before: None,
                ..comparison(Origin::Built, vec![])
            },
            Some(Tip {
                effect: Effect::Failure,
                comparison: None,
                reason: Some(wharf_wire::view::Reason {
                    code: "variable-missing".into(),
                    message: "variable X is required and not set in main".into(),
                    hint: Some("set it: wharf variable set -e main X -".into()),
                }),
                ..tip(Effect::Failure, vec![])
            }),
        ),
        Why {
            release: None,
            since: None,
            ..why(same(), None)
        },
    ];
    let texts: Vec<String> = texts.iter().map(draw_why).collect();
    insta::assert_snapshot!(texts.join("\n"), @r#"
    r7 reused slug 51ab0c of r6: nothing that a build sees changed.
    A redeploy of main now would change nothing: slug 51ab0c serves.

    r7 reused slug 51ab0c, which was there; since r6:
      file changed            a
    A redeploy of main now would reuse slug 51ab0c.
      run variable added      MODE

    r7 was built anew, slug 51ab0c; since r6:
      what r6 was built of is not known any more
    A redeploy of main now would build anew:
      variable added          MODE

    r7 is the first release; slug 51ab0c was built for it.
    A redeploy of main now would fail: variable X is required and not set in
        main
    hint: set it: wharf variable set -e main X -

    main serves nothing yet.
    "#);
}
