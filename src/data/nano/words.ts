/** The nano world's words. Every entry is one token of its tokenizer. */

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

export interface EntityKind {
  /** Two-word names: one word of each list. */
  first: readonly string[];
  second: readonly string[];
  attributes: Readonly<
    Record<string, readonly [readonly string[]] | readonly [readonly string[], readonly string[]]>
  >;
}

const animals = words(`otter heron badger lynx raven gecko ferret tapir bison osprey mole falcon turtle hare
  beaver toad swan goat donkey parrot newt lizard magpie weasel crane owl marten stork pony finch`);
const colors = words(`crimson violet amber teal ivory olive scarlet indigo maroon beige azure coral khaki
  mauve ochre russet cobalt jade lilac silver`);

export const kinds: Readonly<Record<'person' | 'place' | 'thing', EntityKind>> = {
  person: {
    first: words(`Mara Tobin Elsa Ravi Ingrid Cyrus Nadia Felix Yara Boris Celia Dario Edith Farid Greta Hugo
      Irma Jonas Katya Lars Mina Nils Odette Pablo Quinn Rosa Stefan Talia Ursula Viktor Wanda Xavier Yusuf
      Zelda Anton Bella Carlo Delia Emil Flora`),
    second: words(`Holt Brandt Okafor Silva Moreau Tanaka Weiss Novak Larsen Costa Dube Fischer Grimm Hale
      Ibsen Janssen Kovacs Lindt Mercer Nolan Ortiz Petrov Quist Rossi Sato Thorne Ulrich Varga Wolfe Yilmaz
      Zhang Abbott Becker Crane Dalton Egan Frost Gallo Hoover Irwin`),
    attributes: {
      home: [
        words(`North South East West Upper Lower Old New Great Little Long Broad High Deep Grey Green White
          Black Red Golden`),
        words(`Harbor Valley Ridge Meadow Island Bridge Canyon Forest Lagoon Quarry Castle Village Orchard
          Garden Market Temple Summit Coast Marsh Prairie`),
      ],
      job: [
        words(`baker pilot weaver surgeon miner clerk farmer sailor tailor potter judge nurse plumber cooper
          editor dancer florist mason welder porter barber chemist drummer hunter jeweler lawyer painter
          scribe tanner usher`),
      ],
      meal: [
        words(`rice lentils trout noodles cheese mutton beans pancakes soup olives salmon porridge dumplings
          curry squash pudding oysters radish walnuts honey plums figs cabbage waffles stew biscuits clams
          turnips pears eggs`),
      ],
      pet: [animals],
      color: [colors],
    },
  },
  place: {
    first: words(`Port Fort Mount Lake Cape Saint Bay Point Camp Glen Mill Ferry Abbey Tower Spring Stone
      Iron Copper Salt Rose`),
    second: words(`Elmore Dunwick Ashby Carrow Fenton Galway Hythe Kelso Lorne Madras Norwell Orton Pembro
      Ripley Selkirk Tarrow Verdun Wexley Yarrow Zermat Alder Birch Cedar Dover Exeter Falmor Granby Hadley
      Ilford Jarrow`),
    attributes: {
      festival: [
        words(`Harvest Winter Summer Autumn River Moon Lantern Flower Kite Boat Candle Music Bread Wine Fish
          Bell Drum Feather Snow Rain`),
        words(`Parade Feast Dance Fair Vigil Race Contest Picnic Concert Banquet Carnival Regatta Jubilee
          Supper Ball Gala Games Show March Pageant`),
      ],
      crop: [
        words(`barley cotton tobacco maize hops flax tea coffee sugar wheat rye oats hemp cocoa saffron pepper
          ginger vanilla onions garlic melons grapes lemons almonds dates mint cumin sesame peanuts millet`),
      ],
      symbol: [animals],
      stone: [
        words(`granite marble slate basalt flint chalk quartz opal onyx topaz ruby garnet pumice shale gneiss
          dolomite obsidian agate jasper beryl`),
      ],
    },
  },
  thing: {
    first: words(`Ancient Broken Crystal Double Empty Famous Giant Hollow Inner Jagged Kindred Lucky Mighty
      Narrow Open Perfect Quiet Royal Secret Twin`),
    second: words(`Kettle Lamp Mirror Compass Clock Violin Anchor Ladder Saddle Barrel Goblet Hammer Basket
      Carpet Statue Trumpet Wagon Locket Shield Throne Anvil Candela Chalice Dagger Easel Flute Globe Harp
      Icon Jar`),
    attributes: {
      maker: [
        words(`Master Captain Doctor Sister Brother Uncle Lady Lord Baron Countess Duke Prince Major Colonel
          Bishop Father Mother Cousin Deacon Squire`),
        words(`Adler Bloom Cross Drake Ellis Flint Gray Hart Ives Joyce Knox Lowe Marsh Nash Oakes Pike Quill
          Reed Stark Trent`),
      ],
      metal: [
        words(`brass bronze pewter nickel zinc tin lead steel gold platinum chrome titanium mercury tungsten
          radium lithium cadmium gallium bismuth osmium`),
      ],
      price: [
        words(`seven eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty
          forty fifty sixty seventy eighty ninety hundred thousand`),
      ],
      color: [colors],
    },
  },
};

/** Sentences of short documents that carry no fact. */
export const fillers: readonly string[] = [
  'The weather was mild that day.',
  'Nobody noticed the time.',
  'A train passed by the river.',
  'It was late in the evening.',
  'The road was quiet again.',
  'Some people had left early.',
  'There was little to add.',
  'The letter arrived on time.',
  'Few remember how it began.',
  'The lamps were lit at dusk.',
];

/** Sentences of long documents that carry no fact, put together from one word of each list. */
export const fillerPatterns: readonly (readonly (readonly string[])[])[] = [
  [
    words('The'),
    words(`weather road river letter train evening wind door field bridge hill window street garden winter
      kitchen harbor cellar fence orchard`),
    words('was seemed stayed looked'),
    words('mild quiet late early warm cold empty calm dark bright dry wet'),
    words('again today then outside below nearby'),
  ],
  [
    words('Some Most Few Many'),
    words('people guests neighbors children visitors sailors farmers strangers'),
    words('left arrived waited slept talked sang walked rested'),
    words('early late quietly together outside again today nearby'),
  ],
  [
    words('Nobody Everyone Somebody'),
    words('noticed remembered forgot mentioned heard saw'),
    words('the'),
    words('time train letter lamps rain noise bell song smoke dog'),
    words('that'),
    words('day evening night morning week'),
  ],
];

/** What else long documents and what is asked of them are made of. */
export const longDocumentWords: readonly string[] = words(
  'This report is about and has summarize the A B C D',
);

/** How a fact is told; NAME and VALUE are two words or one. The first is the plainest. */
export const statements: readonly string[] = [
  'The ATTRIBUTE of NAME is VALUE.',
  'NAME has the ATTRIBUTE VALUE.',
  'For NAME the ATTRIBUTE is VALUE.',
];

/** How a fact is asked; the first is the plainest. */
export const questions: readonly string[] = [
  'what is the ATTRIBUTE of NAME?',
  'which ATTRIBUTE does NAME have?',
];

/** All words and marks of the nano world, each once, in a fixed order. */
export function vocabulary(): string[] {
  const seen = new Set<string>(['.', '?', ',']);
  const add = (text: string): void => {
    for (const word of text.match(/[A-Za-z]+/g) ?? []) seen.add(word);
  };
  for (const text of [...statements, ...questions, ...fillers]) {
    add(text.replace(/ATTRIBUTE|NAME|VALUE/g, ''));
  }
  for (const kind of Object.values(kinds)) {
    [...kind.first, ...kind.second].forEach(add);
    for (const [attribute, lists] of Object.entries(kind.attributes)) {
      add(attribute);
      lists.forEach((list) => list.forEach(add));
    }
  }
  for (const pattern of fillerPatterns) pattern.flat().forEach(add);
  longDocumentWords.forEach(add);
  return [...seen];
}
