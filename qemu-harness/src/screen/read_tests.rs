//! Pictures drawn here with fonts made up by chance, learned and read back.

use proptest::prelude::*;

use super::super::font::CellSize;
use super::*;

const BLACK: Rgb = [0; 3];
const GREY: Rgb = [170; 3];
const BLUE: Rgb = [0, 0, 170];

/// A font for all printable ASCII, and a picture to draw on with it.
struct Stage {
    size: CellSize,
    glyphs: HashMap<char, Glyph>,
    width: usize,
    pixels: Vec<Rgb>,
}

impl Stage {
    /// Of so many characters, and some pixels more on the right and below, as a screen has whose size fits no font.
    fn new(size: (usize, usize), rows: usize, columns: usize, seed: u64) -> Stage {
        let (width, height) = size;
        // As in VGA's text mode the ninth pixel is empty, and as in every font a line between lines.
        let drawn = width.min(8);
        let mut state = seed | 1;
        let mut random = || {
            // Marsaglia's xorshift64.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            u32::try_from(state >> 32).unwrap()
        };
        let mut glyph = || {
            let row = |y| if y + 1 < height { (random() >> (32 - drawn)) << (width - drawn) } else { 0 };
            Glyph::new(u32::try_from(width).unwrap(), (0..height).map(row).collect()).unwrap()
        };
        let mut glyphs: HashMap<char, Glyph> = ('!'..='~').map(|character| (character, glyph())).collect();
        let line = (0..height).map(|y| if y == 13 { (1 << width) - 1 } else { 0 }).collect();
        glyphs.insert('_', Glyph::new(u32::try_from(width).unwrap(), line).unwrap());
        let pixel_width = columns * width + 5;
        let pixels = vec![BLACK; pixel_width * (rows * height + 3)];
        Stage { size: CellSize { width, height }, glyphs, width: pixel_width, pixels }
    }

    fn font(&self) -> Font {
        Font::new(self.glyphs.iter().map(|(character, glyph)| (*character, glyph.clone()))).unwrap()
    }

    fn picture(&self) -> Picture {
        Picture::new(self.width, self.pixels.clone()).unwrap()
    }

    fn write(&mut self, row: usize, column: usize, text: &str, colour: Rgb, behind: Rgb) -> &mut Stage {
        for (place, character) in text.chars().enumerate() {
            let blank =
                Glyph::new(u32::try_from(self.size.width).unwrap(), vec![0; self.size.height]).unwrap();
            let glyph = self.glyphs.get(&character).unwrap_or(&blank).clone();
            self.each_pixel(row, column + place, |x, y, pixel| {
                *pixel = if glyph.rows()[y] >> (glyph.full_row().count_ones() as usize - 1 - x) & 1 == 1 {
                    colour
                } else {
                    behind
                };
            });
        }
        self
    }

    /// As the VGA card draws a cursor.
    fn cursor_over(&mut self, row: usize, column: usize, lines: std::ops::Range<usize>, colour: Rgb) {
        self.each_pixel(row, column, |_, y, pixel| {
            if lines.contains(&y) {
                *pixel = colour;
            }
        });
    }

    /// As Linux's framebuffer console draws one.
    fn cursor_swap(&mut self, row: usize, column: usize, lines: std::ops::Range<usize>, colours: [Rgb; 2]) {
        self.each_pixel(row, column, |_, y, pixel| {
            if lines.contains(&y) {
                *pixel = if *pixel == colours[0] { colours[1] } else { colours[0] };
            }
        });
    }

    fn each_pixel(&mut self, row: usize, column: usize, mut change: impl FnMut(usize, usize, &mut Rgb)) {
        for y in 0..self.size.height {
            for x in 0..self.size.width {
                let at = (row * self.size.height + y) * self.width + column * self.size.width + x;
                change(x, y, &mut self.pixels[at]);
            }
        }
    }
}

fn sizes() -> impl Strategy<Value = (usize, usize)> {
    prop::sample::select(vec![(8, 16), (9, 16), (8, 14), (8, 19), (10, 18), (12, 22), (16, 32)])
}

fn colours() -> impl Strategy<Value = (Rgb, Rgb)> {
    (any::<Rgb>(), any::<Rgb>()).prop_filter("two colours", |(one, other)| one != other)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_text_in_any_two_colours_is_read_with_a_font_that_was_learned_at_any_place(
        size in sizes(),
        seed in any::<u64>(),
        top in 0_usize..6,
        (colour, behind) in colours(),
        runs in prop::collection::vec(("[ -~]{1,18}", colours()), 6),
    ) {
        let mut known = Stage::new(size, 11, 50, seed);
        known.pixels.fill(behind);
        for (row, line) in Font::SAMPLE.iter().enumerate() {
            known.write(top + row, 0, line, colour, behind);
        }
        // Not part of the known text, and no hindrance.
        known.write(10, 3, "login: ", colour, behind);
        let font = Font::learn(&known.picture(), &Font::SAMPLE).unwrap();
        prop_assert_eq!(&font, &known.font());

        let mut other = Stage::new(size, 6, 20, seed);
        for (row, (text, (colour, behind))) in runs.iter().enumerate() {
            other.write(row, 1, text, *colour, *behind);
        }
        let screen = font.read(&other.picture());
        let expected: Vec<String> = runs.iter().map(|(text, _)| format!(" {text}").trim_end().to_owned()).collect();
        prop_assert_eq!(screen.lines(), expected);
        prop_assert_eq!((screen.rows(), screen.columns()), (6, 20));
    }

    #[test]
    fn a_cursor_under_any_character_is_seen_through(
        seed in any::<u64>(),
        character in 0x20_u8..0x7f,
        lines in prop::sample::select(vec![(13, 15), (14, 16)]),
        swaps in any::<bool>(),
    ) {
        let mut stage = Stage::new((8, 16), 2, 10, seed);
        let text = format!("ab{}cd", char::from(character));
        stage.write(1, 0, &text, GREY, BLACK);
        match swaps {
            true => stage.cursor_swap(1, 2, lines.0..lines.1, [GREY, BLACK]),
            false => stage.cursor_over(1, 2, lines.0..lines.1, GREY),
        }
        let screen = stage.font().read(&stage.picture());
        // The one case that no eye could tell from a blank with a cursor.
        let hidden = character == b'_' && lines.0 == 13;
        prop_assert_eq!(screen.row(1), if hidden { "ab cd".to_owned() } else { text });
        if !(hidden && swaps) {
            prop_assert_eq!(screen.cursor(), Some(Place { row: 1, column: 2 }));
        }
    }
}

#[test]
fn reverse_video_is_told_from_other_colours() {
    let mut stage = Stage::new((8, 16), 8, 30, 7);
    stage.write(0, 0, "a title", GREY, BLUE);
    stage.write(2, 0, "some text of the usual kind", GREY, BLACK);
    stage.write(3, 2, "  second item  ", BLACK, GREY);
    stage.write(4, 2, "red", [170, 0, 0], BLACK).write(4, 8, "red", BLACK, [170, 0, 0]);
    stage.write(5, 0, "    ", BLACK, BLUE);
    stage.write(6, 0, "in a box", GREY, BLUE).write(7, 0, "  chosen ", BLUE, GREY);
    let screen = stage.font().read(&stage.picture());
    assert_eq!(screen.inverse_texts(), ["second item", "red", "chosen"]);
    assert!(screen.is_inverse("  second item ").unwrap() && !screen.is_inverse("a title").unwrap());
    assert_eq!(screen.cell(Place { row: 4, column: 2 }), Some(Cell { character: 'r', inverse: false }));
    assert_eq!(screen.cell(Place { row: 4, column: 8 }), Some(Cell { character: 'r', inverse: true }));
}

#[test]
fn on_a_light_screen_dark_is_usual() {
    let mut stage = Stage::new((8, 16), 3, 30, 7);
    stage.pixels.fill([255; 3]);
    stage.write(0, 0, "dark", BLACK, [255; 3]).write(1, 0, "light", [255; 3], BLACK);
    assert_eq!(stage.font().read(&stage.picture()).inverse_texts(), ["light"]);
}

#[test]
fn what_no_glyph_explains_is_shown_as_unknown() {
    let mut stage = Stage::new((8, 16), 3, 12, 3);
    let font = stage.font();
    stage.write(0, 0, "abc", GREY, BLACK).write(1, 0, "abc", GREY, BLACK).write(2, 0, "abc", GREY, BLACK);
    stage.each_pixel(0, 1, |x, y, pixel| {
        if x == 3 && y == 2 {
            *pixel = [1, 2, 3]
        }
    });
    stage.each_pixel(1, 1, |_, y, pixel| {
        if y < 9 {
            *pixel = if *pixel == GREY { BLACK } else { GREY }
        }
    });
    let screen = font.read(&stage.picture());
    assert_eq!(screen.lines(), ["a\u{fffd}c", "a\u{fffd}c", "abc"]);
    assert_eq!(screen.cursor(), None);
}

#[test]
fn a_text_that_is_not_there_is_not_learned() {
    let mut stage = Stage::new((8, 16), 6, 50, 3);
    let said = Font::learn(&stage.picture(), &Font::SAMPLE).unwrap_err().to_string();
    assert!(said.contains("the known text is not on the picture of 405 x 99 pixels"), "{said}");
    for (row, line) in Font::SAMPLE.iter().enumerate() {
        stage.write(row, 0, line, GREY, BLACK);
    }
    // One character of 188 is another.
    stage.write(2, 40, "#", GREY, BLACK);
    assert!(Font::learn(&stage.picture(), &Font::SAMPLE).is_err());
    assert!(Font::learn(&stage.picture(), &["  "]).is_err());
}

#[test]
fn a_text_too_short_to_be_sure_is_not_learned() {
    let mut stage = Stage::new((8, 16), 6, 50, 3);
    stage.write(0, 0, "box", GREY, BLACK);
    let said = Font::learn(&stage.picture(), &["box"]).unwrap_err().to_string();
    assert!(said.contains("ways; take one with each character more than once"), "{said}");
}
