package storage

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"sallyport/grants"
)

// AccountQuery selects a page of accounts. Its zero fields select all, by id.
type AccountQuery struct {
	IDs           []string // nil: any
	After         string   // ids behind this one
	Address       grants.Address
	AddressPrefix string // both match every identity, verified or not
	Connection    string // of one of the identities
	Blocked       *bool
	Sort          string // created_at, updated_at or user_id; empty: user_id
	Descending    bool
	Offset, Limit int  // a Limit of zero is 100
	Total         bool // count all that the query selects
}

// Accounts reads a page of accounts. Total is 0 unless it is asked for. [ErrInvalid] for an order that there is not.
func (s *Store) Accounts(ctx context.Context, q AccountQuery) (page []Account, total int, err error) {
	order, err := q.order()
	if err != nil {
		return nil, 0, err
	}
	where, args := q.where()
	if q.Total {
		n, err := readOne[number](s.query(ctx).Raw("SELECT COUNT(*) FROM users u"+where, args...))
		if err != nil {
			return nil, 0, failed("counting users", err)
		}
		total = int(n.is)
	}
	if q.Limit <= 0 {
		q.Limit = 100
	}
	rows, err := read[userIdentityRow](s.query(ctx).Raw("SELECT "+userIdentityColumns+" FROM (SELECT "+userColumns+" FROM users u"+where+order+
		" LIMIT ? OFFSET ?) u LEFT JOIN identities i ON i.user_id = u.id"+order+", i.created_at, i.address", append(args, q.Limit, q.Offset)...))
	if err != nil {
		return nil, 0, failed("reading users", err)
	}
	page, err = s.accounts(ctx, users(rows))
	return page, total, err
}

func (q AccountQuery) where() (string, []any) {
	var conditions []string
	var args []any
	if q.IDs != nil {
		conditions, args = append(conditions, "u.id IN ?"), append(args, slices.Concat(q.IDs, []string{""})) // no list is empty
	}
	if q.After != "" {
		conditions, args = append(conditions, "u.id > ?"), append(args, q.After)
	}
	if q.Address.Value != "" {
		conditions = append(conditions, "u.id IN (SELECT i.user_id FROM identities i WHERE i.address = ? AND i.channel = ?)")
		args = append(args, q.Address.Value, string(q.Address.Channel))
	}
	if q.AddressPrefix != "" {
		conditions = append(conditions, "u.id IN (SELECT i.user_id FROM identities i WHERE i.address >= ? AND i.address < ?)")
		args = append(args, q.AddressPrefix, q.AddressPrefix+"\U0010FFFF")
	}
	if q.Connection != "" {
		conditions, args = append(conditions, "EXISTS (SELECT 1 FROM identities i WHERE i.user_id = u.id AND i.connection = ?)"), append(args, q.Connection)
	}
	if q.Blocked != nil {
		is := "="
		if *q.Blocked {
			is = "<>"
		}
		conditions = append(conditions, "u.blocked_at "+is+" 0")
	}
	if len(conditions) == 0 {
		return "", nil
	}
	return " WHERE " + strings.Join(conditions, " AND "), args
}

func (q AccountQuery) order() (string, error) {
	direction := ""
	if q.Descending {
		direction = " DESC"
	}
	switch q.Sort {
	case "", "user_id":
		return " ORDER BY u.id" + direction, nil
	case "created_at":
		return " ORDER BY u.created_at" + direction + ", u.id" + direction, nil
	case "updated_at": // of rows that were never updated it is when they were made
		return " ORDER BY CASE WHEN u.updated_at > u.created_at THEN u.updated_at ELSE u.created_at END" + direction + ", u.id" + direction, nil
	}
	return "", fmt.Errorf("reading users: sorted by %q: %w", q.Sort, ErrInvalid)
}
