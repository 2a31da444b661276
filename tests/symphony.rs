//! The example `symphony`: the ABC parser, the round, and what is written of it.
//!
//! The example's own modules are included, so that a test reads a tune and plays a round without
//! starting a process.

use std::collections::HashSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use segno::Clock;

#[allow(dead_code)]
#[path = "../examples/symphony/main.rs"]
mod symphony;

use symphony::score::Tune;
use symphony::text::Mistake;
use symphony::time::{Tempo, Time};
use symphony::{
    Cue, Record, Round, STACK, abc, deepest, listing, options, play, run, sound, timeline,
};

const FRERE_JACQUES: &str = include_str!("../examples/assets/frere-jacques.abc");
const ROW_YOUR_BOAT: &str = include_str!("../examples/assets/row-your-boat.abc");

/// What sounds: (start, voice, MIDI number, duration).
type Event = (Time, usize, i32, Time);

fn read(text: &str) -> Tune {
    abc::read(text).unwrap_or_else(|mistake| panic!("{}", mistake.report("tune.abc", text)))
}

fn mistake(text: &str) -> Mistake {
    abc::read(text).expect_err("the tune should have been refused")
}

/// A tune in 4/4 with quarter notes as units.
fn in_quarters(key: &str, body: &str) -> String {
    format!("X:1\nT:Test\nM:4/4\nL:1/4\nK:{key}\n{body}\n")
}

/// Plays a round in virtual time.
fn round(text: &str, round: Round) -> (Vec<Cue>, Vec<Record>) {
    let mut cues = Vec::new();
    let hear = |cue| {
        cues.push(cue);
        Ok(())
    };
    let records = play(&read(text), round, Clock::virtual_time(), hear).expect("stacks");
    (cues, records)
}

fn voices(voices: u32, distance: Time) -> Round {
    Round { voices, distance, unfair: None, blocking: false, parallel: false }
}

fn events(cues: &[Cue]) -> Vec<Event> {
    let mut events = Vec::new();
    for cue in cues {
        if let Some((midis, sounds)) = cue.sound() {
            events.extend(midis.map(|midi| (cue.now, cue.voice, midi, sounds)));
        }
    }
    events.sort_unstable();
    events
}

/// What one voice sings: each turn as the note's name and its length in whole notes.
fn melody(text: &str) -> String {
    let (cues, _) = round(text, voices(1, Time::ZERO));
    let turns = cues.iter().map(|cue| {
        let note = &cue.turn.bar.notes[cue.turn.index];
        let names: Vec<String> = note.pitches.iter().map(ToString::to_string).collect();
        let name = if names.is_empty() { "z".to_owned() } else { names.join("+") };
        format!("{name}:{}", note.length)
    });
    turns.collect::<Vec<_>>().join(" ")
}

/// The MIDI numbers of what one voice strikes.
fn midis(text: &str) -> Vec<i32> {
    let (cues, _) = round(text, voices(1, Time::ZERO));
    events(&cues).into_iter().map(|(_, _, midi, _)| midi).collect()
}

fn whole(number: u32) -> Time {
    Time::from(number)
}

// The bundled tunes.

#[test]
fn frere_jacques_is_sung_note_for_note() {
    let phrases: [&[(i32, i128)]; 4] = [
        &[(65, 2), (67, 2), (69, 2), (65, 2)],
        &[(69, 2), (70, 2), (72, 4)],
        &[(72, 1), (74, 1), (72, 1), (70, 1), (69, 2), (65, 2)],
        &[(65, 2), (60, 2), (65, 4)],
    ];
    let mut expected = Vec::new();
    let mut now = Time::ZERO;
    for &(midi, eighths) in phrases.iter().flat_map(|phrase| [*phrase, *phrase]).flatten() {
        let length = Time::new(eighths, 8);
        expected.push((now, 0, midi, length));
        now += length;
    }
    let (cues, records) = round(FRERE_JACQUES, voices(1, Time::ZERO));
    assert_eq!(events(&cues), expected);
    assert_eq!(records[0].end, whole(8));
}

#[test]
fn row_your_boat_is_sung_note_for_note() {
    let once = [
        (60, 3),
        (60, 3),
        (60, 2),
        (62, 1),
        (64, 3),
        (64, 2),
        (62, 1),
        (64, 2),
        (65, 1),
        (67, 6),
        (72, 1),
        (72, 1),
        (72, 1),
        (67, 1),
        (67, 1),
        (67, 1),
        (64, 1),
        (64, 1),
        (64, 1),
        (60, 1),
        (60, 1),
        (60, 1),
        (67, 2),
        (65, 1),
        (64, 2),
        (62, 1),
        (60, 6),
    ];
    let mut expected = Vec::new();
    let mut now = Time::ZERO;
    for (midi, eighths) in once.into_iter().chain(once) {
        let length = Time::new(eighths, 8);
        expected.push((now, 0, midi, length));
        now += length;
    }
    let (cues, records) = round(ROW_YOUR_BOAT, voices(1, Time::ZERO));
    assert_eq!(events(&cues), expected);
    assert_eq!(records[0].end, whole(12));
}

#[test]
fn headers_say_what_the_tune_is() {
    let tune = read(FRERE_JACQUES);
    assert_eq!(tune.title, "Frère Jacques");
    assert_eq!((tune.composer.as_str(), tune.origin.as_str()), ("trad.", "France"));
    assert_eq!((tune.key.as_str(), tune.meter.name.as_str()), ("F major", "4/4"));
    assert_eq!(tune.tempo, Tempo { beat: Time::new(1, 4), per_minute: 120 });
    assert_eq!((tune.entry, tune.voices), (Some(whole(2)), Some(4)));
    let tune = read(ROW_YOUR_BOAT);
    assert_eq!((tune.meter.bar, tune.meter.compound), (Time::new(3, 4), true));
    assert_eq!(tune.tempo.seconds(Time::new(3, 8)), 60.0 / 72.0);
}

#[test]
fn syllables_belong_to_their_notes() {
    let tune = read(FRERE_JACQUES);
    let words: Vec<String> = tune.written().map(|bar| bar.words(1)).collect();
    let expected = ["Frère Jacques,", "Dormez vous?", "Sonnez les matines,", "Din, din, don."];
    assert_eq!(words, expected);
    let verses =
        in_quarters("C", "|: C z D E | F4 :|\nw: one two three | four\nw: un * trois~x quatre");
    let tune = read(&verses);
    let words = |pass| tune.written().map(|bar| bar.words(pass)).collect::<Vec<_>>();
    assert_eq!(words(1), ["one two three", "four"]);
    assert_eq!(words(2), ["un trois x", "quatre"]);
}

// The notation.

#[test]
fn letters_case_and_marks_give_octaves() {
    assert_eq!(
        midis(&in_quarters("C", "C,, C, C c | c' c'' B, b")),
        [36, 48, 60, 72, 84, 96, 59, 83]
    );
}

#[test]
fn numbers_after_notes_give_lengths() {
    assert_eq!(
        melody(&in_quarters("C", "C2 C/2 C/ C//C//C/4C/4 | C3/2 z/ x3/ C/")),
        "C:1/2 C:1/8 C:1/8 C:1/16 C:1/16 C:1/16 C:1/16 C:3/8 z:1/8 z:3/8 C:1/8"
    );
}

#[test]
fn key_signatures_alter_their_notes() {
    let scale = "C D E F | G A B c";
    for (key, expected) in [
        ("C", [60, 62, 64, 65, 67, 69, 71, 72]),
        ("G", [60, 62, 64, 66, 67, 69, 71, 72]),
        ("D", [61, 62, 64, 66, 67, 69, 71, 73]),
        ("F", [60, 62, 64, 65, 67, 69, 70, 72]),
        ("Eb", [60, 62, 63, 65, 67, 68, 70, 72]),
        ("C#", [61, 63, 65, 66, 68, 70, 72, 73]),
        ("Cb", [59, 61, 63, 64, 66, 68, 70, 71]),
        ("Am", [60, 62, 64, 65, 67, 69, 71, 72]),
        ("C minor", [60, 62, 63, 65, 67, 68, 70, 72]),
        ("F#m", [61, 62, 64, 66, 68, 69, 71, 73]),
        ("D dor", [60, 62, 64, 65, 67, 69, 71, 72]),
        ("Amix", [61, 62, 64, 66, 67, 69, 71, 73]),
        ("E Phrygian", [60, 62, 64, 65, 67, 69, 71, 72]),
        ("F lydian", [60, 62, 64, 65, 67, 69, 71, 72]),
        ("Bloc", [60, 62, 64, 65, 67, 69, 71, 72]),
        ("G aeo treble", [60, 62, 63, 65, 67, 69, 70, 72]),
        ("D =c", [60, 62, 64, 66, 67, 69, 71, 72]),
        ("D exp _B ^f", [60, 62, 64, 66, 67, 69, 70, 72]),
        ("none", [60, 62, 64, 65, 67, 69, 71, 72]),
        ("", [60, 62, 64, 65, 67, 69, 71, 72]),
    ] {
        assert_eq!(midis(&in_quarters(key, scale)), expected, "K:{key}");
    }
}

#[test]
fn accidentals_last_to_the_end_of_the_bar() {
    assert_eq!(
        midis(&in_quarters("C", "^F =F F _F | F ^F f _f")),
        [66, 65, 65, 64, 65, 66, 78, 76]
    );
    let body = "^F F f =F | F _B ^^C __E | B C E G";
    assert_eq!(midis(&in_quarters("C", body)), [66, 66, 78, 65, 65, 70, 62, 62, 71, 60, 64, 67]);
}

#[test]
fn accidentals_reach_as_far_as_the_file_says() {
    for (reach, expected) in
        [("not", [66, 65, 77, 65]), ("octave", [66, 66, 77, 66]), ("pitch", [66, 66, 78, 66])]
    {
        let text = in_quarters("C", "^F F f F")
            .replace("K:", &format!("%%propagate-accidentals {reach}\nK:"));
        assert_eq!(midis(&text), expected, "{reach}");
    }
}

#[test]
fn ties_join_notes_and_carry_accidentals_over_bar_lines() {
    let text = in_quarters("C", "C2 ^F2- | F2- F F- | F F G2 | [CE]4- | [EC]4");
    let (cues, records) = round(&text, voices(1, Time::ZERO));
    let quarter = |number| Time::new(number, 4);
    assert_eq!(
        events(&cues),
        [
            (quarter(0), 0, 60, quarter(2)),
            (quarter(2), 0, 66, quarter(5)),
            // Not tied to the one before, and the accidental ended with its bar.
            (quarter(7), 0, 65, quarter(2)),
            (quarter(9), 0, 65, quarter(1)),
            (quarter(10), 0, 67, quarter(2)),
            (quarter(12), 0, 60, quarter(8)),
            (quarter(12), 0, 64, quarter(8)),
        ]
    );
    assert_eq!(records[0].sung.notes, 6);
}

#[test]
fn repeats_are_sung_again() {
    let text = in_quarters("C", "C4 | D4 :| E4 |: F4 :: G4 :|: A4 :| |:: B4 ::|");
    assert_eq!(melody(&text).replace(":1", ""), "C D C D E F F G G A A B B B",);
}

#[test]
fn endings_are_taken_in_their_passes() {
    let sung = |body| melody(&in_quarters("C", body)).replace(":1", "");
    assert_eq!(sung("|: C4 |1 D4 :|2 E4 || F4 |]"), "C D C E F");
    assert_eq!(sung("C4 | [1 D4 :| [2 E4 |] F4"), "C D C E F");
    assert_eq!(sung("|: C4 |1,3 D4 :|2 E4 | F4 :|4 G4 |: A4 :|"), "C D C E F C D C G A A");
    assert_eq!(sung("|: C4 [1-2 D4 :|3 E4 :| F4"), "C D C D C E F");
}

#[test]
fn tuplets_squeeze_notes_into_the_time_of_others() {
    assert_eq!(
        melody(&in_quarters("C", "(3CDE (2C/D/ C/2 | (3:2:4 C/D/E/F/ (3z/C/[CE]/ C3/2 |]")),
        "C:1/6 D:1/6 E:1/6 C:3/16 D:3/16 C:1/8 \
         C:1/12 D:1/12 E:1/12 F:1/12 z:1/12 C:1/12 C+E:1/12 C:3/8"
    );
    // In compound time five go into three, elsewhere into two.
    let compound = "X:1\nM:6/8\nL:1/8\nK:C\n(5CDEFG C3 |]\n";
    assert!(melody(compound).starts_with("C:3/40 D:3/40"), "{}", melody(compound));
    assert!(melody(&in_quarters("C", "(5CDEFG C2")).starts_with("C:1/10 D:1/10"));
}

#[test]
fn broken_rhythm_shifts_length_between_neighbours() {
    assert_eq!(
        melody(&in_quarters("C", "C>D E<F | C>>D E<<<F | [CE]> z (3C>DE")),
        "C:3/8 D:1/8 E:1/8 F:3/8 C:7/16 D:1/16 E:1/32 F:15/32 C+E:3/8 z:1/8 C:1/4 D:1/12 E:1/6"
    );
}

#[test]
fn chords_sound_together() {
    let text = in_quarters("F", "[cFA]2 [B,2D2] | [C/E/]4 [Gc]2");
    assert_eq!(melody(&text), "F+A+c:1/2 B,♭+D:1/2 C+E:1/2 G+c:1/2");
}

#[test]
fn whole_bars_of_rest_fill_their_bars() {
    assert_eq!(melody(&in_quarters("C", "C4 | Z2 | D4 | Z")), "C:1 z:1 z:1 D:1 z:1");
}

#[test]
fn ornaments_and_typesetting_are_skipped() {
    let plain = melody(&in_quarters("C", "C D E F | G A B c |]"));
    let ornate =
        "\"Am\"C .D {ag}(~E !trill!TF) | \"^slow\" uG vA `B y2 c % the end\n%%stretchlast 1\n|]";
    assert_eq!(melody(&in_quarters("C", ornate)), plain);
    assert_eq!(
        melody(&in_quarters("C", "C D \\\nE F |\nN:a note\nT:a subtitle\nG A B c |]")),
        plain
    );
}

#[test]
fn fields_inside_the_tune_hold_from_there_on() {
    let text = in_quarters("C", "F [K:G]F [L:1/8]F2 F2 |\nK:C\nL:1/2\nF F |]");
    assert_eq!(midis(&text), [65, 66, 66, 66, 65, 65]);
    assert!(melody(&text).ends_with("F:1/2 F:1/2"));
}

#[test]
fn tempo_is_read_in_all_its_forms() {
    for (field, quarter) in [
        ("Q:1/4=120\n", 0.5),
        ("Q: \"Allegro\" 1/8=120 \"!\"\n", 1.0),
        ("Q:1/8 3/8=60\n", 0.5),
        // A number alone counts unit notes, here eighths.
        ("Q:120\n", 1.0),
        ("Q:\"fast\"\n", 0.5),
        ("", 0.5),
    ] {
        let tune = read(&format!("X:1\nT:Test\n{field}L:1/8\nK:C\nC2\n"));
        assert_eq!(tune.tempo.seconds(Time::new(1, 4)), quarter, "{field}");
    }
}

#[test]
fn units_follow_the_meter_when_the_file_does_not_say() {
    for (meter, expected) in [
        ("4/4", "C:1/8"),
        ("C", "C:1/8"),
        ("C|", "C:1/8"),
        ("3/4", "C:1/8"),
        ("2/4", "C:1/16"),
        ("6/8", "C:1/8"),
        ("none", "C:1/8"),
    ] {
        assert_eq!(melody(&format!("X:1\nM:{meter}\nK:C\nC|]\n")), expected, "M:{meter}");
    }
}

#[test]
fn upbeats_do_not_shift_the_entries() {
    let text = "X:1\nM:3/4\nL:1/4\nK:C\nC | D E F | G2 |]\n";
    let (cues, _) = round(text, voices(2, Time::new(3, 4)));
    let starts = |voice| cues.iter().filter(move |cue| cue.voice == voice).map(|cue| cue.now);
    assert!(starts(0).map(|start| start + Time::new(3, 4)).eq(starts(1)));
    assert_eq!(read(text).upbeat(), Time::new(1, 4));
}

#[test]
fn files_with_windows_line_ends_and_a_byte_order_mark_are_read() {
    let windows = format!("\u{feff}{}", FRERE_JACQUES.replace('\n', "\r\n"));
    assert_eq!(melody(&windows), melody(FRERE_JACQUES));
}

#[test]
fn only_the_first_tune_of_a_file_is_sung() {
    assert_eq!(melody(&format!("\n{}\n{ROW_YOUR_BOAT}", in_quarters("C", "C4"))), "C:1");
}

// Mistakes. In `in_quarters` the music begins at line 6.

#[test]
fn mistakes_in_music_are_found_at_their_line_and_column() {
    for (body, line, column, says) in [
        ("C D E F | C Q E F |", 6, 13, "`Q` means nothing"),
        ("C D E F |\nC D ? F |", 7, 5, "`?` means nothing"),
        ("C D E F | C D E F G | C4", 6, 11, "this bar is 1/4 too long for M:4/4"),
        ("C4 | C D E | C4 |]", 6, 6, "this bar is 1/4 too short for M:4/4"),
        ("C4 | C C C C8", 6, 6, "this bar is 7/4 too long"),
        ("C4 | D4 |: E4 |", 6, 9, "never closed"),
        ("|: C4 |: D4 :|", 6, 1, "never closed"),
        (":| C4", 6, 1, "nothing to repeat"),
        ("C4 :| :|", 6, 7, "nothing to repeat"),
        ("|:: C4 :|", 6, 8, "says 2 times"),
        ("C4 ::: D4", 6, 4, "not a bar line"),
        ("C4 |[| D4", 6, 4, "not a bar line"),
        ("C4 |2 D4 :|", 6, 4, "without an ending 1"),
        ("C4 |1 D4 | E4 |2 F4 |]", 6, 15, "must end with `:|`"),
        ("C4 |1 D4 :| E4", 6, 4, "ending 2 is missing"),
        ("|: C4 |1 D4 |]", 6, 7, "ending 2 is missing"),
        ("C4 |1 D4 :|3 E4 |]", 6, 4, "ending 2 is missing"),
        ("C4 |1 D4 :|1 E4 |]", 6, 10, "has an ending already"),
        ("C4 |1 :|2 D4 |]", 6, 7, "nothing to repeat"),
        ("C4 |1 D4 :|2 |] E4", 6, 10, "this ending has no notes"),
        ("^ C D E F", 6, 1, "in front of a note"),
        ("C ^^^D E F", 6, 3, "no accidental"),
        ("C ^_D E F", 6, 3, "no accidental"),
        ("^/C D E F", 6, 1, "quarter tones"),
        ("C''''''' D E F", 6, 1, "range"),
        ("C0 D E F", 6, 2, "between 1 and 9999"),
        ("C99999 D E F", 6, 2, "between 1 and 9999"),
        ("C D/3 E F", 6, 5, "not by 3"),
        ("C D//4 E F", 6, 6, "cannot follow"),
        ("C D [EG F", 6, 5, "never closed"),
        ("C D [] F [E?]", 6, 12, "inside a chord"),
        ("C [ ] D", 6, 3, "no notes"),
        ("C [E2G] D", 6, 6, "equally long"),
        ("[C-E]2 [CE]2", 6, 3, "all notes of a chord or none"),
        ("C2- D2", 6, 3, "same pitch"),
        ("C2- z2", 6, 3, "same pitch"),
        ("- C4", 6, 1, "must follow a note"),
        ("z- C3", 6, 2, "must follow a note"),
        ("C4-", 6, 3, "leads to no note"),
        ("|: C4- :| C4", 6, 6, "across a repeat sign"),
        ("C4- |1 C4 :|2 D4 |]", 6, 3, "into an ending"),
        (">C D E F", 6, 1, "needs a note before it"),
        ("C4 | <D E F G", 6, 6, "needs a note before it"),
        ("C D E F> | G4", 6, 8, "no note follows"),
        ("C>>>>D E F", 6, 2, "three times at most"),
        ("C2 (3CD | C4", 6, 4, "lacks 1 more note"),
        ("(3C (3DEF G", 6, 5, "inside a tuplet"),
        ("(1C D", 6, 1, "2 to 9 notes"),
        ("C \"Am D E F", 6, 3, "this text is never closed"),
        ("C !trill D", 6, 3, "this decoration is never closed"),
        ("C {gag D E F", 6, 3, "grace notes is never closed"),
        ("C4 !D.C.! |]", 6, 4, "not supported"),
        ("C4 & E4 |", 6, 4, "two melodies"),
        ("C2 Z | C4", 6, 4, "alone in its bar"),
        ("C4 |[M:3/4] C3", 6, 5, "meter"),
        ("C4 |\nQ:1/4=60\nC4", 7, 1, "tempo"),
        ("C4 |\nV:2\nC4", 7, 1, "several melodies"),
        ("C4 [K:H] C4", 6, 7, "`H` is not understood in K:"),
        ("C4 |\nw: la la", 7, 7, "no note left"),
        ("C4 |\nX:2", 7, 1, "an empty line"),
        ("z \\ C3", 6, 3, "means nothing"),
    ] {
        let text = in_quarters("C", body);
        let mistake = mistake(&text);
        let place = (mistake.mark.line, mistake.mark.column);
        assert_eq!(place, (line, column), "{body:?}: {mistake}");
        assert!(mistake.message.contains(says), "{body:?}: {mistake}, not {says}");
    }
}

#[test]
fn mistakes_in_headers_are_found_at_their_line_and_column() {
    for (text, line, column, says) in [
        ("", 1, 1, "no tune here"),
        ("% only a comment\n", 1, 1, "no tune here"),
        ("T:Test\nX:1\nK:C\nC\n", 1, 1, "X: expected"),
        ("What a tune!\nX:1\nK:C\nC\n", 1, 1, "X: expected"),
        ("X:one\nK:C\nC\n", 1, 3, "needs a number"),
        ("X:1\nX:2\nK:C\nC\n", 2, 1, "an X: already"),
        ("X:1\nT:Test\n", 2, 1, "before its K:"),
        ("X:1\nT:Test\n\nK:C\nC\n", 2, 1, "before its K:"),
        ("X:1\nC D E F\nK:C\n", 2, 1, "a field expected"),
        ("X:1\nK:C\n", 2, 1, "no notes"),
        ("X:1\nM:4/5\nK:C\nC\n", 2, 5, "below the line"),
        ("X:1\nM:waltz\nK:C\nC\n", 2, 3, "no meter"),
        ("X:1\nM:4/4 time\nK:C\nC\n", 2, 7, "not understood in M:"),
        ("X:1\nL:1\nK:C\nC\n", 2, 4, "`/` expected"),
        ("X:1\nL:1/3\nK:C\nC\n", 2, 5, "below the line"),
        ("X:1\nQ:1/4\nK:C\nC\n", 2, 6, "beats per minute"),
        ("X:1\nQ:1/4=0\nK:C\nC\n", 2, 7, "between 1 and 9999"),
        ("X:1\nQ:fast\nK:C\nC\n", 2, 3, "looks like 1/4=120"),
        ("X:1\nK:H\nC\n", 2, 3, "`H` is not understood"),
        ("X:1\nK:G#\nC\n", 2, 3, "more than seven"),
        ("X:1\nK:D bass-8\nC\n", 2, 5, "not understood in K:"),
        ("X:1\nK:D ^h\nC\n", 2, 5, "needs a note letter"),
        ("X:1\nP:AABB\nK:C\nC\n", 2, 1, "order of parts"),
        ("X:1\nV:1\nK:C\nC\n", 2, 1, "several melodies"),
        ("X:1\nm:~n = n\nK:C\nC\n", 2, 1, "the field m:"),
        ("X:1\n%%round-entry soon\nK:C\nC\n", 2, 15, "a number of bars expected"),
        ("X:1\n%%round-entry 2 beats\nK:C\nC\n", 2, 17, "only `bars`"),
        ("X:1\n%%round-voices all\nK:C\nC\n", 2, 16, "a number expected"),
        ("X:1\n%%MIDI transpose 3\nK:C\nC\n", 2, 8, "transposing"),
        ("X:1\n%%propagate-accidentals yes\nK:C\nC\n", 2, 25, "expected"),
    ] {
        let mistake = mistake(text);
        let place = (mistake.mark.line, mistake.mark.column);
        assert_eq!(place, (line, column), "{text:?}: {mistake}");
        assert!(mistake.message.contains(says), "{text:?}: {mistake}, not {says}");
    }
}

#[test]
fn a_mistake_is_reported_with_its_line_and_a_caret() {
    let text = in_quarters("C", "C D\tE F |\tC D E ? |");
    let report = mistake(&text).report("dir/tune.abc", &text);
    assert_eq!(
        report,
        "dir/tune.abc:6:17: `?` means nothing in a line of music\n  \
         |\n\
         6 | C D E F | C D E ? |\n  \
         |                 ^"
    );
}

#[test]
fn no_text_makes_the_parser_panic() {
    // Cuts and swaps of a tune that uses everything, at every place.
    let all = "X:1\nT:t\nM:4/4\nL:1/4\nQ:\"a\" 1/4=90\n%%round-entry 1/2 bars\nK:D =c\n\
               |: [CE]2- [CE]>^F |(3A/B/c/ {g}!trill!d2 z :|1 Z :|2 \"G\"G'3/2 A,,// y B/ |]\nw: a-b c _ *\n";
    let chars: Vec<char> = all.chars().collect();
    for at in 0..chars.len() {
        let _ = abc::read(&chars[..at].iter().collect::<String>());
        for new in
            ['\n', '%', '|', ':', '[', ']', '(', '-', '>', '/', '9', 'Z', '"', '^', '\\', 'é']
        {
            let mut changed = chars.clone();
            changed[at] = new;
            let changed: String = changed.iter().collect();
            if let Err(mistake) = abc::read(&changed) {
                mistake.report("t.abc", &changed);
            }
        }
    }
}

// The round.

#[test]
fn every_voice_sings_the_same_later() {
    let (cues, records) = round(FRERE_JACQUES, voices(4, whole(2)));
    let of_voice = |voice: usize| {
        let late = whole(2) * whole(voice as u32);
        let own = events(&cues).into_iter().filter(move |event| event.1 == voice);
        own.map(|(start, _, midi, length)| (start - late, midi, length)).collect::<Vec<_>>()
    };
    assert_eq!(of_voice(0).len(), 32);
    for voice in 1..4 {
        assert_eq!(of_voice(voice), of_voice(0), "voice {}", voice + 1);
    }
    assert!(records.iter().all(|record| record.sung == records[0].sung));
}

#[test]
fn a_round_lasts_one_voice_and_the_delays_of_the_others() {
    let tempo = read(FRERE_JACQUES).tempo;
    for (number, seconds) in [(1, 16.0), (2, 20.0), (4, 28.0), (8, 44.0)] {
        let (_, records) = round(FRERE_JACQUES, voices(number, whole(2)));
        let end = records.iter().map(|record| record.end).max().unwrap();
        let alone: Time = records.iter().map(|record| record.end - record.entry).sum();
        assert_eq!(tempo.seconds(end), seconds);
        assert_eq!(alone, whole(8 * number));
    }
}

#[test]
fn a_voice_is_resumed_once_per_note_and_once_to_end() {
    let (cues, records) = round(FRERE_JACQUES, voices(4, whole(2)));
    for (voice, record) in records.iter().enumerate() {
        let turns = cues.iter().filter(|cue| cue.voice == voice).count();
        assert_eq!((record.resumes, turns), (33, 32));
        assert_eq!((record.sung.notes, record.sung.bars), (32, 8));
    }
}

#[test]
fn a_voice_keeps_its_place_between_turns() {
    let (cues, _) = round(FRERE_JACQUES, voices(4, whole(2)));
    let expected = [
        (1, 1, 1, 0),
        (1, 2, 2, 4),
        (2, 1, 3, 8),
        (2, 2, 4, 11),
        (3, 1, 5, 14),
        (3, 2, 6, 20),
        (4, 1, 7, 26),
        (4, 2, 8, 29),
    ];
    for voice in 0..4 {
        let bars = cues.iter().filter(|cue| cue.voice == voice && cue.turn.index == 0);
        let places = bars.map(|cue| {
            let place = cue.turn.place;
            (place.part, place.pass, place.bar, place.notes)
        });
        assert_eq!(places.collect::<Vec<_>>(), expected, "voice {}", voice + 1);
    }
    assert!(cues.iter().any(|cue| cue.away > 3), "the voices should take turns");
}

#[test]
fn turns_come_in_the_order_of_time() {
    let (cues, _) = round(ROW_YOUR_BOAT, voices(5, Time::new(3, 2)));
    assert!(cues.is_sorted_by_key(|cue| cue.now));
    assert!(cues.iter().all(|cue| cue.late == Duration::ZERO), "virtual time waits for everybody");
}

#[test]
fn of_two_due_at_once_the_one_that_has_waited_longer_goes_first() {
    let (cues, _) = round(FRERE_JACQUES, voices(4, whole(2)));
    let mut since = [Time::ZERO; 4];
    let mut compared = 0;
    for (before, after) in cues.iter().zip(&cues[1..]) {
        if before.now == after.now && !after.first {
            assert!(since[before.voice] <= since[after.voice], "at {}", after.now);
            compared += 1;
        }
        since[before.voice] = before.now;
    }
    assert!(compared > 40, "{compared}");
}

#[test]
fn unfair_orders_change_the_turns_and_never_the_music() {
    for (text, distance) in
        [(FRERE_JACQUES, whole(2)), (ROW_YOUR_BOAT, Time::new(3, 2)), (FRERE_JACQUES, Time::ZERO)]
    {
        let order = |cues: &[Cue]| cues.iter().map(|cue| cue.voice).collect::<Vec<_>>();
        let (fair, _) = round(text, voices(4, distance));
        let (music, fair) = (events(&fair), order(&fair));
        let mut orders = HashSet::new();
        for seed in 0..200 {
            let unfair = Round { unfair: Some(seed), ..voices(4, distance) };
            let (cues, _) = round(text, unfair);
            assert_eq!(events(&cues), music, "seed {seed}");
            assert_ne!(order(&cues), fair, "seed {seed}");
            assert!(cues.is_sorted_by_key(|cue| cue.now), "seed {seed}");
            orders.insert(order(&cues));
            if seed < 5 {
                assert_eq!(order(&round(text, unfair).0), order(&cues), "seed {seed} again");
            }
        }
        assert_eq!(orders.len(), 200, "each seed its own order");
        if distance == Time::ZERO {
            let entries: HashSet<_> = orders.iter().map(|order| &order[..4]).collect();
            assert_eq!(entries.len(), 24, "voices in unison enter in every order");
        }
    }
}

#[test]
fn a_thousand_voices_sing_on_one_thread() {
    let (cues, records) = round(FRERE_JACQUES, voices(1000, whole(2)));
    assert_eq!(cues.len(), 32_000);
    assert_eq!(records.len(), 1000);
    assert_eq!(records[999].end, whole(2 * 999 + 8));
    assert!(deepest().is_some_and(|used| (1..STACK).contains(&used)));
}

#[test]
fn a_listener_that_has_heard_enough_ends_the_round() {
    let mut heard = Vec::new();
    let stop = |cue: Cue| {
        heard.push(cue);
        if heard.len() < 50 { Ok(()) } else { Err(std::io::ErrorKind::BrokenPipe.into()) }
    };
    let round = voices(4, whole(2));
    let error = play(&read(FRERE_JACQUES), round, Clock::virtual_time(), stop).expect_err("stop");
    let error = error.downcast::<std::io::Error>().expect("what the listener said");
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    // Who was due at the same instant has begun its note, and nobody later.
    assert!(heard[49..].iter().all(|cue| cue.now == heard[49].now));
    // The voices that were left in the middle of a bar have let go of it.
    let bar = Arc::clone(&heard[0].turn.bar);
    drop(heard);
    assert_eq!(Arc::strong_count(&bar), 1);
}

#[test]
fn what_comes_late_is_listed() {
    let tune = read(FRERE_JACQUES);
    let plan = voices(2, whole(2));
    let (mut cues, _) = round(FRERE_JACQUES, plan);
    let lines = |cues: &[Cue]| {
        let mut output = Vec::new();
        let mut listing = listing::Listing::new(&mut output, &tune, plan, false);
        cues.iter().try_for_each(|cue| listing.cue(cue)).expect("a Vec takes everything");
        let text = String::from_utf8(output).expect("text");
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let before = lines(&cues);
    assert!(!before.iter().any(|line| line.contains("late")));
    cues[0].late = Duration::from_millis(1900);
    cues[2].late = Duration::from_millis(900);
    cues[3].late = Duration::from_millis(49);
    let after = lines(&cues);
    assert_eq!(after.len(), before.len() + 1);
    assert!(after[0].ends_with("enters, 1.9 s late"), "{}", after[0]);
    assert_eq!(after[1].split_whitespace().collect::<String>(), "1··A0.9slate");
}

#[test]
fn time_never_drifts() {
    let third = Time::new(1, 12);
    let sum: Time = std::iter::repeat_n(third, 12_000_000 / 1000).sum();
    assert_eq!(sum, whole(1000));
    assert_eq!((Time::new(6, 8).to_string(), whole(3).to_string()), ("3/4".into(), "3".into()));
    assert!(Time::new(2, 3) > Time::new(5, 8));
    assert_eq!(Time::new(7, 4).fits(Time::new(1, 2)), 3);
    assert_eq!((Time::ZERO - Time::new(1, 4)).fits(Time::ONE), -1);
}

// What is written.

#[test]
fn sound_lasts_as_long_as_the_music_and_does_not_clip() {
    let (cues, _) = round(FRERE_JACQUES, voices(4, whole(2)));
    let samples = sound::render(read(FRERE_JACQUES).tempo, 4, &cues).expect("short enough");
    assert_eq!(samples.len(), 29 * 44_100);
    let peak = samples.iter().flatten().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    assert!((peak - 0.85).abs() < 1e-4, "{peak}");

    let path = std::env::temp_dir().join(format!("symphony-{}.wav", std::process::id()));
    sound::write(&path, &samples).expect("a writable temporary directory");
    let mut file = hound::WavReader::open(&path).expect("a WAV file");
    let written: Vec<i16> = file.samples().map(|sample| sample.expect("a sample")).collect();
    std::fs::remove_file(&path).expect("it was there");
    assert_eq!((file.spec().channels, file.spec().sample_rate), (2, 44_100));
    assert_eq!(written.len(), samples.len() * 2);
    let loudest = written.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
    assert!((27_000..28_500).contains(&loudest), "{loudest}");
}

#[test]
fn sound_has_the_pitches_of_the_notes() {
    let text = in_quarters("C", "A4 | E4 | c'4");
    let (cues, _) = round(&text, voices(1, Time::ZERO));
    let samples = sound::render(read(&text).tempo, 1, &cues).expect("short enough");
    // How much of a frequency is in the second after a note's attack (Goertzel's sum, by hand).
    let power = |from: f64, frequency: f64| -> f64 {
        let start = ((from + 0.2) * 44_100.0) as usize;
        let step = std::f64::consts::TAU * frequency / 44_100.0;
        let sum =
            samples[start..start + 44_100].iter().zip(0..).fold((0.0, 0.0), |sum, (pair, at)| {
                let angle = step * f64::from(at);
                let sample = f64::from(pair[0] + pair[1]);
                (sum.0 + sample * angle.cos(), sum.1 + sample * angle.sin())
            });
        sum.0.hypot(sum.1)
    };
    let notes = [440.0, 329.627_556_9, 1_046.502_261];
    for (index, own) in notes.into_iter().enumerate() {
        let strength = power(2.0 * index as f64, own);
        for semitones in [-2.0_f64, -1.0, 1.0, 2.0] {
            let other = power(2.0 * index as f64, own * (semitones / 12.0).exp2());
            assert!(strength > 10.0 * other, "note {index}: {strength} against {other}");
        }
    }
}

#[test]
fn voices_stand_from_left_to_right() {
    let (cues, _) = round(FRERE_JACQUES, voices(2, whole(8)));
    let samples = sound::render(read(FRERE_JACQUES).tempo, 2, &cues).expect("short enough");
    let power = |seconds: std::ops::Range<usize>, side: usize| -> f32 {
        samples[seconds.start * 44_100..seconds.end * 44_100]
            .iter()
            .map(|pair| pair[side] * pair[side])
            .sum()
    };
    assert!(power(0..15, 0) > 2.0 * power(0..15, 1));
    assert!(power(17..32, 1) > 2.0 * power(17..32, 0));
}

#[test]
fn silence_stays_silent_and_endless_sound_is_refused() {
    let rests = in_quarters("C", "z4 | Z2");
    let (cues, _) = round(&rests, voices(2, whole(1)));
    let samples = sound::render(read(&rests).tempo, 2, &cues).expect("short enough");
    assert!(samples.iter().flatten().all(|sample| *sample == 0.0));
    let (cues, _) = round(FRERE_JACQUES, voices(1000, whole(2)));
    let refused = sound::render(read(FRERE_JACQUES).tempo, 1000, &cues).expect_err("too long");
    assert!(refused.contains("67 minutes"), "{refused}");
}

/// Walks through an XML text, and returns its elements' names; panics where it is malformed.
fn elements(xml: &str) -> Vec<String> {
    let (mut open, mut seen): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let mut rest = xml;
    while let Some(start) = rest.find('<') {
        let text = &rest[..start];
        assert!(!text.contains('>'), "a bare > in {text:?}");
        for entity in text.split('&').skip(1) {
            let known = ["amp;", "lt;", "gt;"].iter().any(|name| entity.starts_with(name));
            assert!(known, "a bare & in {text:?}");
        }
        let end = rest.find('>').expect("every tag ends") + 1;
        let tag = &rest[start + 1..end - 1];
        assert!(!tag.contains('<'), "a tag inside a tag: {tag:?}");
        assert_eq!(tag.matches('"').count() % 2, 0, "an open quote in {tag:?}");
        assert!(!tag.contains("NaN") && !tag.contains("inf"), "no number in {tag:?}");
        let name = tag.trim_matches('/').split_whitespace().next().expect("a name").to_owned();
        if tag.starts_with('/') {
            assert_eq!(open.pop().as_ref(), Some(&name), "closed out of order");
        } else {
            seen.push(name.clone());
            if !tag.ends_with('/') {
                open.push(name);
            }
        }
        rest = &rest[end..];
    }
    assert!(open.is_empty(), "never closed: {open:?}");
    seen
}

#[test]
fn the_timeline_shows_every_note_once() {
    for (text, number, distance) in [
        (FRERE_JACQUES, 1, whole(2)),
        (FRERE_JACQUES, 4, whole(2)),
        (ROW_YOUR_BOAT, 12, Time::ZERO),
    ] {
        let plan = voices(number, distance);
        let (cues, records) = round(text, plan);
        let svg = timeline::draw(&read(text), plan, &cues, &records);
        let seen = elements(&svg);
        assert_eq!(seen[0], "svg");
        let tooltips = seen.iter().filter(|name| *name == "title").count();
        assert_eq!(tooltips, events(&cues).len());
        // Besides the notes: the background, a lane for each voice, and the legend.
        let rectangles = seen.iter().filter(|name| *name == "rect").count();
        assert_eq!(rectangles - tooltips, 1 + number as usize + number.min(8) as usize);
        for voice in 1..=number {
            assert!(svg.contains(&format!(">voice {voice}</text>")), "voice {voice}");
        }
    }
}

#[test]
fn the_timeline_survives_any_title_and_a_single_note() {
    let text = "X:1\nT:<a> & \"b\" \u{1}\nK:C\nC|]\nw:<&>\n";
    for plan in [voices(1, Time::ZERO), voices(1000, Time::new(1, 64))] {
        let (cues, records) = round(text, plan);
        let svg = timeline::draw(&read(text), plan, &cues, &records);
        elements(&svg);
        assert!(svg.contains("&lt;a&gt; &amp; \"b\" \u{fffd}"), "{svg}");
    }
}

// The command line.

fn arguments(line: &str) -> lexopt::Parser {
    lexopt::Parser::from_args(line.split_whitespace())
}

#[test]
fn options_are_read() {
    let line = "--voices=3 tune.abc --entry 1/2 --svg a.svg --wav b.wav --real-time --tempo 90 \
                --unfair 9 -q";
    let Ok(options::Command::Play(options)) = options::read(arguments(line)) else {
        panic!("{line} should be understood");
    };
    assert_eq!((options.voices, options.entry), (Some(3), Some(Time::new(1, 2))));
    assert_eq!((options.real_time, options.unfair, options.quiet), (true, Some(9), true));
    assert_eq!((options.tempo, options.blocking), (Some(90), false));
    assert_eq!(options.svg.as_deref(), Some("a.svg".as_ref()));
    assert_eq!(options.wav.as_deref(), Some("b.wav".as_ref()));
    let Ok(options::Command::Play(options)) = options::read(arguments("--blocking")) else {
        panic!("--blocking should be understood");
    };
    assert!(options.blocking && options.real_time, "nothing stalls in virtual time");
    assert!(matches!(options::read(arguments("--voices 2 --help")), Ok(options::Command::Help)));
}

#[test]
fn senseless_options_are_refused_with_code_2() {
    for (line, says) in [
        ("--voices 0", "at least one voice"),
        ("--voices 10001", "10000 voices are the most"),
        ("--voices 99999999999999999999", "10000 voices are the most"),
        ("--voices four", "a whole number from 1 to 10000"),
        ("--voices -1", "a whole number from 1 to 10000"),
        ("--voices", "missing argument"),
        ("--entry 1/0", "bars expected"),
        ("--entry -2", "bars expected"),
        ("--entry 1000", "bars expected"),
        ("--unfair x", "the seed"),
        ("--tempo 0", "beats per minute expected"),
        ("--tempo 10001", "beats per minute expected"),
        ("--loud", "invalid option '--loud'"),
        ("--quiet=yes", "unexpected argument"),
        ("a.abc b.abc", "one tune at a time"),
    ] {
        let refused = options::read(arguments(line)).expect_err(line);
        assert!(refused.contains(says), "{line}: {refused}");
        assert_eq!(run(arguments(line)), ExitCode::from(2), "{line}");
    }
}

#[test]
fn files_that_cannot_be_played_end_in_code_1() {
    let directory = std::env::temp_dir().join(format!("symphony-{}-files", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a writable temporary directory");
    let write = |name: &str, bytes: &[u8]| {
        let path = directory.join(name);
        std::fs::write(&path, bytes).expect("a writable temporary directory");
        path.display().to_string()
    };
    let good = write("good.abc", FRERE_JACQUES.as_bytes());
    let bad = write("bad.abc", b"X:1\nK:C\nC ? D\n");
    let latin = write("latin.abc", b"X:1\nT:Fr\xe8re\nK:C\nC\n");
    let svg = directory.join("good.svg");
    let nowhere = directory.join("missing").join("a.wav");

    let runs = |line: String| run(arguments(&(line + " --quiet")));
    assert_eq!(runs(format!("{good} --svg {}", svg.display())), ExitCode::SUCCESS);
    assert_eq!(elements(&std::fs::read_to_string(&svg).expect("the timeline"))[0], "svg");
    assert_eq!(runs(bad), ExitCode::FAILURE);
    assert_eq!(runs(latin), ExitCode::FAILURE);
    assert_eq!(runs(directory.join("missing.abc").display().to_string()), ExitCode::FAILURE);
    assert_eq!(runs(format!("{good} --wav {}", nowhere.display())), ExitCode::FAILURE);
    std::fs::remove_dir_all(&directory).expect("it was there");
}

#[test]
fn files_depend_on_the_music_and_not_on_who_had_its_turn_first() {
    let directory = std::env::temp_dir().join(format!("symphony-{}-orders", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a writable temporary directory");
    let written = ["", "--unfair 7", "--unfair 8"].map(|order| {
        let svg = directory.join("round.svg");
        let line = format!("{order} --quiet --entry 1 --svg {}", svg.display());
        assert_eq!(run(arguments(&line)), ExitCode::SUCCESS);
        std::fs::read(svg).expect("the timeline")
    });
    std::fs::remove_dir_all(&directory).expect("it was there");
    assert!(written[0] == written[1] && written[1] == written[2]);
}
