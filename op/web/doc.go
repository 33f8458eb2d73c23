// Package web is what every HTTP route shares: who is asking, what is read of a request, and how an answer or an
// error is written. It knows nothing of OpenID Connect but the shape of its errors.
//
// A request passes [Middleware] (identity of the request, security headers, body limit, log line), then its handler.
// A handler returns an error; [JSON] and [Page] write it, once. Whatever is not a [Fault] becomes a 500 or, when the
// database is away, a 503, whose body says nothing of the cause.
package web
