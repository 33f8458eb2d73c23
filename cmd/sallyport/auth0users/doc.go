// Package auth0users reads Auth0's bulk export of users and makes accounts of them.
//
// [Reader] cuts the file into users, one at a time and bounded, whatever its form: JSON lines, one JSON array, or either
// compressed. [Options.Account] makes an account of one, or says why not. Neither touches a database.
package auth0users
