/** QR codes, by uqr; in a chunk of its own, since few need it. */
import { renderSVG } from 'uqr';

/** With the margin of four modules that readers count on. */
export const svgOf = (text: string): string => renderSVG(text, { ecc: 'M', border: 4, pixelSize: 4 });
