//! What the shop sells: the goods that an empty catalogue is filled with.

/// One kind of goods. `restock_to` is 0 for goods that no supplier brings again.
struct Goods {
    id: &'static str,
    name: &'static str,
    category: &'static str,
    summary: &'static str,
    description: &'static str,
    price_cents: i64,
    stock: i64,
    restock_to: i64,
}

const fn goods(
    [id, name, category, summary, description]: [&'static str; 5],
    [price_cents, stock, restock_to]: [i64; 3],
) -> Goods {
    Goods { id, name, category, summary, description, price_cents, stock, restock_to }
}

/// SQL that adds what is missing and leaves what is there, with its stock, alone.
pub(super) fn script() -> String {
    let mut script = String::new();
    for (position, goods) in GOODS.iter().enumerate() {
        let texts = [goods.id, goods.name, goods.category, goods.summary, goods.description];
        let texts: Vec<String> = texts.iter().map(|text| quote(text)).collect();
        let Goods { price_cents, stock, restock_to, .. } = goods;
        script.push_str(&format!(
            "insert or ignore into products values ({}, {price_cents}, {stock}, {restock_to}, \
             {position});\n",
            texts.join(", ")
        ));
    }
    script.push_str(
        "insert into words (id, name, category, summary, description)
         select id, name, category, summary, description from products
         where id not in (select id from words);",
    );
    script
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

const GOODS: &[Goods] = &[
    goods(
        [
            "regulator",
            "Regulator wall clock",
            "Clocks",
            "One-second pendulum, oak case",
            "A tall oak case, a brass pendulum that beats the second, and a face you can read \
             across the room. Runs eight days on one winding.",
        ],
        [18_900, 120, 200],
    ),
    goods(
        [
            "station",
            "Station clock",
            "Clocks",
            "Black bars, one red hand",
            "The clock of every platform: bold bars, no numerals, and a red second hand that \
             waits at the top for the minute to catch up.",
        ],
        [7_900, 300, 500],
    ),
    goods(
        [
            "kitchen",
            "Enamel kitchen clock",
            "Clocks",
            "Splash-proof, quiet as flour",
            "Pressed steel, baked enamel and a movement that does not tick. Wipes clean.",
        ],
        [4_900, 300, 500],
    ),
    goods(
        [
            "cuckoo",
            "Little cuckoo clock",
            "Clocks",
            "Calls the hours, sleeps at night",
            "Carved lime wood with two pine-cone weights. A lever under the roof sends the bird \
             to bed when you go.",
        ],
        [12_900, 90, 200],
    ),
    goods(
        [
            "alarm",
            "Twin-bell alarm clock",
            "Clocks",
            "Loud. Really loud",
            "Two steel bells and a hammer between them. Wound by hand every evening, which is \
             when you decide about tomorrow.",
        ],
        [3_400, 400, 600],
    ),
    goods(
        [
            "field",
            "Field watch",
            "Watches",
            "Hand-wound, 38 mm, readable at dusk",
            "A plain steel watch with big numerals and a canvas strap. Forty hours from a full \
             winding.",
        ],
        [14_900, 200, 400],
    ),
    goods(
        [
            "diver",
            "Harbour diver's watch",
            "Watches",
            "To 200 metres, click bezel",
            "A steel case, a bezel that only turns the safe way and hands that glow until \
             morning.",
        ],
        [24_900, 150, 300],
    ),
    goods(
        [
            "pocket",
            "Pocket watch",
            "Watches",
            "Open face, silver chain",
            "Seventeen jewels under an open face, with a chain long enough for a waistcoat and \
             a lid to snap when the speech gets long.",
        ],
        [22_900, 80, 160],
    ),
    goods(
        [
            "hourglass",
            "Seven-minute hourglass",
            "Sand and sun",
            "Blown glass, river sand",
            "Seven minutes is a soft egg, a strong tea or a short speech. Blown by mouth, filled \
             by weight.",
        ],
        [1_900, 500, 800],
    ),
    goods(
        [
            "sundial",
            "Garden sundial",
            "Sand and sun",
            "Cast bronze, set for your latitude",
            "Tell us where your garden is and the gnomon is cut to that angle. Needs no winding, \
             dislikes clouds.",
        ],
        [8_900, 60, 120],
    ),
    goods(
        [
            "metronome",
            "Metronome",
            "Workshop",
            "40 to 208 beats a minute",
            "The pyramid that taught everybody. Cherry wood, a bell on every second, third, \
             fourth or sixth beat.",
        ],
        [6_400, 160, 300],
    ),
    goods(
        [
            "loupe",
            "Watchmaker's loupe",
            "Workshop",
            "Ten times, clear to the edge",
            "Three lenses, ten times magnification and a wire that keeps it before the eye while \
             both hands work.",
        ],
        [2_600, 400, 600],
    ),
    goods(
        [
            "drivers",
            "Screwdriver set",
            "Workshop",
            "Nine blades, 0.6 to 3 mm",
            "Hardened blades, turning caps, and a stand that keeps them from rolling off the \
             bench.",
        ],
        [5_200, 250, 400],
    ),
    goods(
        [
            "movement",
            "Movement kit",
            "Workshop",
            "Build a working escapement",
            "Ninety-one parts, one afternoon, and you will know why it ticks. Tools are listed \
             on the box, patience is not included.",
        ],
        [11_900, 140, 280],
    ),
    goods(
        [
            "timer",
            "Hen kitchen timer",
            "Sand and sun",
            "Sixty minutes, one cluck",
            "Turn her head to the minutes that you want. She clucks once, and means it.",
        ],
        [1_500, 600, 900],
    ),
    goods(
        [
            "gear",
            "Gear of the town-hall clock",
            "Curios",
            "Bronze, 1871, only a few saved",
            "When the tower was restored a handful of its gears could be kept. Each has a number \
             and a letter of the town clerk. When these are gone there are no more.",
        ],
        [49_900, 3, 0],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_goods_have_a_picture_and_a_name_of_their_own() {
        let mut ids: Vec<_> = GOODS.iter().map(|goods| goods.id).collect();
        assert!(ids.iter().all(|id| super::super::pictures::draw(id).is_some()), "{ids:?}");
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), GOODS.len());
    }

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(quote("diver's"), "'diver''s'");
    }
}
