use super::*;

/// 59,486 names, and more.
fn names() -> Vec<String> {
    (0..70_000).map(|index| crate::shape::name(index, 5)).collect()
}

#[test]
fn exact_figures_are_what_was_published() {
    for work in Work::ALL.into_iter().filter(|work| !work.needs_names()) {
        let reproduction = work.reproduce(&[]).unwrap();
        for line in &reproduction.lines {
            assert!(line.agrees(), "{work}: {line:?}");
        }
        assert_eq!(work.name().parse(), Ok(work));
    }
}

#[test]
fn a_wrong_figure_does_not_agree() {
    let line = |published, decimals, modelled| {
        Line::new("x", "bytes", "none").exact(published, decimals, modelled)
    };
    for (published, decimals, modelled, agrees) in [
        (274.0, 0, 273.56, true),
        (273.56, 2, 273.554, false),
        (0.37, 2, 0.3649, false),
        (800.0, -2, 832.0, true),
        (800.0, -2, 851.0, false),
        (69.0, 0, 68.0, false),
    ] {
        assert_eq!(line(published, decimals, modelled).agrees(), agrees, "{published} {modelled}");
    }
    assert!(Line::new("x", "bytes", "none").modelled(Some(1.0), 2.0).agrees());
}

#[test]
fn pep_458_gives_its_table_3() {
    let c = pep458::Constants::PEP_458;
    let v: [fn(&pep458::Constants) -> f64; 17] = {
        use pep458::Constants as C;
        [
            C::v1,
            C::v2,
            C::v3,
            C::v4,
            C::v5,
            C::v6,
            C::v7,
            C::v8,
            C::v9,
            C::v10,
            C::v11,
            C::v12,
            C::v13,
            C::v14,
            C::v15,
            C::v16,
            C::v17,
        ]
    };
    let printed = [
        4, 65_536, 139, 17_792, 35_584, 973, 54_349, 1_048_576, 262_144, 1_310_720, 98_304,
        108_698, 5, 207_002, 9, 1_517_722, 69,
    ];
    for (at, (v, printed)) in v.into_iter().zip(printed).enumerate() {
        assert_eq!(v(&c), f64::from(printed), "V{}", at + 1);
    }
    let c = pep458::Constants { c8: 22_735_390.0, ..c };
    assert_eq!([c.v13(), c.v15(), c.v17()], [50.0, 54.0, 114.0]);
}

#[test]
fn the_scale_out_draft_prints_274_minutes() {
    let a = scale_out::Assumptions::DRAFT;
    let printed = |value: f64, decimals: usize| format!("{value:.decimals$}");
    assert_eq!(printed(a.c1() * 100.0, 2), "0.37");
    assert_eq!(printed(a.c3(), 4), "0.3656");
    assert_eq!(printed(a.c4(), 2), "273.56");
    assert_eq!(printed(a.c4(), 0), "274");
    // As the draft writes it.
    let c1 = 1.0 - ((a.a3 - 1.0) / a.a3).powi(60);
    assert!((c1 / a.c1() - 1.0).abs() < 1e-9);
}

#[test]
fn the_best_bin_count_steps_where_the_gist_says() {
    let sizes = bins_gist::Sizes::IMPLIED;
    for (targets, bins) in bins_gist::PRINTED {
        assert_eq!(sizes.best_bin_count(targets), bins, "{targets}");
        assert_eq!(sizes.best_bin_count(targets - 1), bins / 2, "{}", targets - 1);
        assert_eq!(sizes.doubling_threshold(bins / 2), targets);
    }
    assert_eq!(sizes.best_bin_count(0), 2);
    // The count never falls as targets come, so a threshold is one.
    let counts: Vec<u64> = (0..20_000).map(|targets| sizes.best_bin_count(targets)).collect();
    assert!(counts.windows(2).all(|pair| pair[0] <= pair[1]));
    // Neither end of the implied range does, when passed.
    let (above, up_to) = bins_gist::implied_ratio();
    assert!(above < 50.0 / 6.0 && 50.0 / 6.0 <= up_to);
    for ratio in [above * 0.999_999, up_to * 1.000_001] {
        let sizes = bins_gist::Sizes { bin_meta_size: 1.0, target_meta_size: ratio };
        let wrong = |&(targets, bins): &(u64, u64)| sizes.doubling_threshold(bins / 2) != targets;
        assert!(bins_gist::PRINTED.iter().any(wrong), "{ratio}");
    }
}

#[test]
fn tap_16_is_7_6_bytes_times_50_million_and_26_hashes() {
    assert_eq!(tap16::snapshot(tap16::ROLES), 380_000_000.0);
    assert_eq!(tap16::proof(tap16::ROLES), 26.0 * 32.0);
}

#[test]
fn mercury_comes_near() {
    let names = names();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let reproduction = Work::Mercury.reproduce(&names).unwrap();
    for line in reproduction.lines {
        let deviation = line.deviation.unwrap();
        assert!(deviation.abs() < 0.5, "{line:?}");
        assert!(line.real.is_none_or(|real| real < line.modelled.unwrap()), "{line:?}");
    }
    let short = Work::Mercury.reproduce(&names[..59_485]).unwrap_err();
    assert!(short.to_string().contains("59486"), "{short}");
}

#[test]
fn the_question_of_rfc_3724_has_an_answer() {
    let (crates, versions) = rfc3724::SCALES[1];
    let scenario = rfc3724::scenario(crates, versions).unwrap();
    let answers = rfc3724::answer(&scenario).unwrap();
    for (client, [plain, gzip, deltas, merkle]) in scenario.client.iter().zip(&answers) {
        let bytes = [plain, gzip, deltas, merkle].map(|answer| answer.transfer.bytes);
        assert!(
            bytes.iter().all(|bytes| (500.0..1e9).contains(bytes)),
            "{}: {bytes:?}",
            client.name
        );
        // A whole file in gzip is always there.
        assert!(bytes[2] <= bytes[1] && bytes[1] < bytes[0], "{}: {bytes:?}", client.name);
    }
    let bytes = |client: usize| answers[client].map(|answer| answer.transfer.bytes);
    for way in 0..4 {
        assert!(bytes(0)[way] < bytes(2)[way], "a thousand dependencies cost more than one");
        assert!(bytes(1)[way] < bytes(0)[way] * 1.01, "whoever returns pays no more");
    }
}
