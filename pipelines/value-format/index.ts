/** Says what the bytes of a refused value look like, for people who have to find out why a topic is of another format. */
export { describeFormat, type ValueFormat } from './describe-format.ts';
