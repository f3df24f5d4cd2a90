/** What a drawing of any chart needs. */

/** Drawing for a screen of some width; `link` gives the address behind a value. */
export interface Drawing {
  /** Unlike that of any other drawing of the page: ids within the drawing start with it. */
  id: string;
  /** Width of the plot in CSS pixels. */
  width: number;
  readonly link: (sources: readonly string[] | undefined) => string | undefined;
}

/** A layer twice: once for values that have a link, once for those without, since an empty link is one too. */
export function linkedOrNot<T extends { encoding: object }>(layer: T) {
  return [
    {
      ...layer,
      transform: [{ filter: 'isString(datum.link)' }],
      encoding: { ...layer.encoding, href: { field: 'link' } },
    },
    { ...layer, transform: [{ filter: '!isString(datum.link)' }] },
  ];
}
